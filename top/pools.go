package top

import (
	"fmt"
	"strconv"

	"pgweir/status"
)

var poolTable = &table{name: "pools", sorted: 0, columns: []column{
	{title: "DATABASE", least: 8, most: 40, keep: 100},
	{title: "USER", key: "U", least: 6, most: 40, keep: 99},
	{title: "MODE", least: 7, most: 12, keep: 30},
	{title: "SIZE", number: true, falling: true, keep: 60},
	{title: "CLIENTS", number: true, falling: true, keep: 95},
	{title: "WAITING", number: true, falling: true, keep: 90},
	{title: "MAXWAIT", key: "T", number: true, falling: true, keep: 85},
	{title: "BACKENDS", number: true, falling: true, keep: 92},
	{title: "ACTIVE", number: true, falling: true, keep: 70},
	{title: "IDLE", number: true, falling: true, keep: 50},
	{title: "SAVED", number: true, falling: true, keep: 80},
	{title: "PINNED", number: true, falling: true, keep: 55},
	{title: "XACT/S", key: "P", number: true, falling: true, keep: 48},
	{title: "MEMORY", key: "M", number: true, falling: true, keep: 45},
	{title: "STATE", key: "S", most: 8, keep: 97},
}}

func poolRows(pools []status.Pool) []row {
	rows := make([]row, len(pools))
	for i := range pools {
		rows[i] = poolRow(&pools[i])
	}
	return rows
}

func poolRow(p *status.Pool) row {
	wait, memory, state := cell{none: true}, unknownCell(), cell{none: true}
	waiting, pinned := intCell(p.ClientsWaiting), intCell(p.Pinned)
	if p.ClientsWaiting > 0 {
		waiting.tone = warning
	}
	if p.MaxWait > 0 {
		wait = numCell(float64(p.MaxWait), fmt.Sprintf("%.1fs", p.MaxWait.Seconds()))
		wait.tone = warning
	}
	if p.BackendMemory >= 0 {
		memory = numCell(float64(p.BackendMemory), bytesText(p.BackendMemory))
	}
	if p.Paused {
		state = cell{text: "paused", tone: critical}
	}
	return row{key: strconv.Quote(p.Database) + " " + strconv.Quote(p.User), ours: true,
		cells: []cell{textCell(p.Database), textCell(p.User), textCell(p.Mode), intCell(p.Size), intCell(p.Clients()), waiting, wait,
			intCell(p.Backends()), intCell(p.ServersActive), intCell(p.ServersIdle), intCell(saved(p)), pinned,
			intCell(int(p.Averages.Transactions)), memory, state},
		details: func() []detail { return poolDetails(p) },
	}
}

func saved(p *status.Pool) int { return max(0, p.Clients()-p.Backends()) }

func intCell(n int) cell { return numCell(float64(n), strconv.Itoa(n)) }
