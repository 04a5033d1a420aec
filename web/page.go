package web

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"pgweir/status"
)

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("page").Parse(pageSource))

// page is what page.html shows: figures that need no more reckoning.
type page struct {
	*status.Snapshot
	Up      string
	Bars    []bar
	Ratio   string
	Memory  string // "" if unknown
	Avoided int64  // processes that PostgreSQL did not have to start
	Rows    []row
}

// A bar is a number beside its like, in percent of the greater.
type bar struct {
	Name  string
	Count int
	Peak  int
	Width float64
}

type row struct {
	*status.Pool
	Saved  int
	Waited string
}

func writePage(w http.ResponseWriter, s *status.Snapshot) {
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, pageOf(s)); err != nil {
		http.Error(w, "cannot render: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(body.Bytes())
}

func pageOf(s *status.Snapshot) page {
	v := &s.Savings
	most := max(1, v.Clients, v.Backends)
	out := page{
		Snapshot: s,
		Up:       s.At.Sub(s.Started).Truncate(time.Second).String(),
		Bars: []bar{
			{"clients", v.Clients, v.Peak.Clients, percent(v.Clients, most)},
			{"backends", v.Backends, v.Peak.Backends, percent(v.Backends, most)},
		},
		Ratio:   fmt.Sprintf("%.1f", v.Ratio),
		Avoided: max(0, v.ClientLogins-v.ServerLogins),
	}
	if v.MemorySaved >= 0 {
		out.Memory = byteSize(v.MemorySaved)
	}
	for i := range s.Pools {
		p := &s.Pools[i]
		if p.IsConsole() {
			continue
		}
		out.Rows = append(out.Rows, row{p, max(0, p.Clients()-p.Backends()), p.MaxWait.Round(time.Millisecond).String()})
	}
	return out
}

func percent(part, of int) float64 { return 100 * float64(part) / float64(of) }

// byteSize writes a size in bytes for people, in powers of 1024.
func byteSize(n int64) string {
	size := float64(n)
	for _, unit := range []string{"bytes", "KiB", "MiB", "GiB"} {
		if size < 1024 {
			if unit == "bytes" {
				return fmt.Sprintf("%d bytes", n)
			}
			return fmt.Sprintf("%.1f %s", size, unit)
		}
		size /= 1024
	}
	return fmt.Sprintf("%.1f TiB", size)
}
