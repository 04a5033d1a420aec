package status

import (
	"encoding/json"
	"time"
)

// The shape of a Census in JSON is fixed: other programs read it. What is not
// known is null.

type censusJSON struct {
	At         time.Time      `json:"at"`
	Server     serverJSON     `json:"server"`
	Postmaster postmasterJSON `json:"postmaster"`
	Processes  []processJSON  `json:"processes"`
	Findings   []Finding      `json:"findings"`
}

type serverJSON struct {
	Version *string `json:"version"`
	Host    string  `json:"host"`
	Local   *bool   `json:"local"` // null: not known yet
}

type postmasterJSON struct {
	PID   *int `json:"pid"`
	Alive bool `json:"alive"`
}

type processJSON struct {
	PID         int         `json:"pid"`
	Parent      *int        `json:"parent"`
	Kind        *string     `json:"kind"`
	Role        string      `json:"role"`
	User        *string     `json:"user"`
	Database    *string     `json:"database"`
	Application *string     `json:"application"`
	State       *string     `json:"state"`
	Wait        *string     `json:"wait"`
	Since       *time.Time  `json:"since"`
	CPU         *float64    `json:"cpu_seconds"`
	Memory      *int64      `json:"memory_bytes"`
	Ours        bool        `json:"ours"`
	Client      *holderJSON `json:"client"`
}

type holderJSON struct {
	ID   uint64  `json:"id"`
	Addr string  `json:"addr"`
	Pin  *string `json:"pin"`
}

// MarshalJSON renders the census in the shape of /census. What is not in that
// shape (Limits, Query, Standby, Down) is left out.
func (c *Census) MarshalJSON() ([]byte, error) {
	out := censusJSON{
		At:         c.At,
		Server:     serverJSON{orNull(c.Server.Version), c.Server.Host, c.Server.Where.local()},
		Postmaster: postmasterJSON{orNull(c.Postmaster.PID), c.Postmaster.Alive},
		Processes:  make([]processJSON, 0, len(c.Processes)),
		Findings:   append([]Finding{}, c.Findings...),
	}
	for i := range c.Processes {
		p := &c.Processes[i]
		row := processJSON{
			PID: p.PID, Parent: orNull(p.Parent), Kind: orNull(p.Kind), Role: p.Role,
			User: orNull(p.User), Database: orNull(p.Database), Application: orNull(p.Application),
			State: orNull(p.State), Wait: orNull(p.Wait), Ours: p.Ours,
		}
		if !p.Since.IsZero() {
			row.Since = &p.Since
		}
		if p.CPU >= 0 {
			seconds := p.CPU.Seconds()
			row.CPU = &seconds
		}
		if p.Memory >= 0 {
			row.Memory = &p.Memory
		}
		if h := p.Client; h != nil {
			row.Client = &holderJSON{h.ID, h.Addr, orNull(h.Pin)}
		}
		out.Processes = append(out.Processes, row)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON renders.
func (c *Census) UnmarshalJSON(data []byte) error {
	var in censusJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*c = Census{
		At:         in.At,
		Server:     CensusServer{Version: orZero(in.Server.Version), Host: in.Server.Host, Where: whereabouts(in.Server.Local)},
		Postmaster: Postmaster{PID: orZero(in.Postmaster.PID), Alive: in.Postmaster.Alive},
	}
	for _, row := range in.Processes {
		p := Process{
			PID: row.PID, Parent: orZero(row.Parent), Kind: orZero(row.Kind), Role: row.Role,
			User: orZero(row.User), Database: orZero(row.Database), Application: orZero(row.Application),
			State: orZero(row.State), Wait: orZero(row.Wait), Since: orZero(row.Since),
			CPU: -1, Memory: -1, Ours: row.Ours,
		}
		if row.CPU != nil {
			p.CPU = time.Duration(*row.CPU * float64(time.Second))
		}
		if row.Memory != nil {
			p.Memory = *row.Memory
		}
		if h := row.Client; h != nil {
			p.Client = &Holder{h.ID, h.Addr, orZero(h.Pin)}
		}
		c.Processes = append(c.Processes, p)
	}
	c.Findings = in.Findings
	return nil
}

// orNull is v, or nil, JSON's null, for what stands for unknown.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func orZero[T any](v *T) T {
	var zero T
	if v == nil {
		return zero
	}
	return *v
}

// local is for JSON, nil for what is not known yet.
func (w Whereabouts) local() *bool {
	if w == Unlocated {
		return nil
	}
	local := w == Here
	return &local
}

func whereabouts(local *bool) Whereabouts {
	switch {
	case local == nil:
		return Unlocated
	case *local:
		return Here
	}
	return Elsewhere
}
