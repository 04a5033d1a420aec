package top

import (
	"fmt"
	"strconv"
)

var clientTable = &table{name: "clients", sorted: 0, columns: []column{
	{title: "ID", key: "N", number: true, keep: 100},
	{title: "USER", key: "U", least: 6, most: 24, keep: 90},
	{title: "DATABASE", least: 6, most: 24, keep: 80},
	{title: "STATE", key: "S", least: 6, most: 20, keep: 95},
	{title: "WAIT", number: true, falling: true, keep: 85},
	{title: "BACKEND", number: true, keep: 75},
	{title: "ADDRESS", least: 8, most: 48, keep: 70},
	{title: "APPLICATION", key: "A", least: 6, most: 40, keep: 72},
	{title: "PIN", least: 6, most: 40, keep: 60},
	{title: "CONNECTED", key: "T", least: 19, most: 24, keep: 50},
}}

func clientRows(clients []Client) []row {
	rows := make([]row, len(clients))
	for i := range clients {
		rows[i] = clientRow(&clients[i])
	}
	return rows
}

func clientRow(c *Client) row {
	id := strconv.FormatUint(c.ID, 10)
	wait, backend := cell{none: true}, cell{none: true}
	if c.Wait > 0 {
		wait = numCell(float64(c.Wait), fmt.Sprintf("%.1fs", c.Wait.Seconds()))
		wait.tone = warning
	}
	if c.BackendPID != 0 {
		backend = numCell(float64(c.BackendPID), strconv.Itoa(c.BackendPID))
	}
	state := textCell(c.State)
	switch c.State {
	case "active":
		state.tone = good
	case "waiting":
		state.tone = warning
	case "idle":
		state.tone = faint
	}
	return row{key: id, client: c.ID, ours: true,
		cells: []cell{numCell(float64(c.ID), id), textCell(c.User), textCell(c.Database), state, wait, backend,
			textCell(c.Addr), textCell(c.Application), textCell(c.Pin), textCell(c.Connected)},
		details: func() []detail { return clientDetails(c) },
	}
}
