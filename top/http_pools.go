package top

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"pgweir/status"
)

// decodePools reads of /pools what is shown. The console's own pool is left out.
func decodePools(data []byte) ([]status.Pool, *Savings, []status.Finding, error) {
	var in struct {
		Savings  savings
		Findings []status.Finding
		Pools    *[]struct {
			Database             string  `json:"database"`
			User                 string  `json:"user"`
			Mode                 string  `json:"mode"`
			Size                 int     `json:"size"`
			ClientsActive        int     `json:"clients_active"`
			ClientsWaiting       int     `json:"clients_waiting"`
			ServersActive        int     `json:"servers_active"`
			ServersBeingCanceled int     `json:"servers_being_canceled"`
			ServersIdle          int     `json:"servers_idle"`
			ServersUsed          int     `json:"servers_used"`
			ServersTested        int     `json:"servers_tested"`
			ServersLogin         int     `json:"servers_login"`
			ServersClosing       int     `json:"servers_closing"`
			MaxWait              float64 `json:"max_wait"`
			Paused               bool    `json:"paused"`
			Pinned               int     `json:"pinned"`
			Listening            int     `json:"listening"`
			Averages             struct {
				Transactions int64 `json:"transactions"`
			} `json:"averages"`
			BackendMemory *int64 `json:"backend_memory"`
		} `json:"pools"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, nil, nil, fmt.Errorf("/pools is not what pgweir gives: %w", err)
	}
	if in.Pools == nil {
		return nil, nil, nil, errors.New("/pools is not what pgweir gives: pools is missing")
	}
	out := make([]status.Pool, 0, len(*in.Pools))
	for _, p := range *in.Pools {
		pool := status.Pool{
			Database: p.Database, User: p.User, Mode: p.Mode, Size: p.Size,
			ClientsActive: p.ClientsActive, ClientsWaiting: p.ClientsWaiting,
			ServersActive: p.ServersActive, ServersBeingCanceled: p.ServersBeingCanceled, ServersIdle: p.ServersIdle,
			ServersUsed: p.ServersUsed, ServersTested: p.ServersTested, ServersLogin: p.ServersLogin, ServersClosing: p.ServersClosing,
			MaxWait: time.Duration(p.MaxWait * float64(time.Second)), Paused: p.Paused, Pinned: p.Pinned, Listening: p.Listening,
			Averages: status.Totals{Transactions: p.Averages.Transactions}, BackendMemory: orUnknown(p.BackendMemory),
		}
		if !pool.IsConsole() {
			out = append(out, pool)
		}
	}
	saved, err := in.Savings.decoded()
	return out, saved, in.Findings, err
}
