package status

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestACensusReadsBackFromItsJSON(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	want := &Census{
		At:         at,
		Server:     CensusServer{Version: "15.18", Host: "127.0.0.1:5432", Where: Here},
		Postmaster: Postmaster{PID: 10, Alive: true},
		Processes: []Process{
			{PID: 10, Kind: "postmaster", Role: "parent", CPU: 1500 * time.Millisecond, Memory: 1 << 20},
			{PID: 11, Parent: 10, Kind: "client backend", Role: "serves", User: "u", Database: "d", Application: "a", State: "active",
				Wait: "Lock: relation", Since: at, CPU: -1, Memory: -1, Ours: true, Client: &Holder{ID: 7, Addr: "unix", Pin: "advisory lock"}},
			{PID: 12, Parent: 10, CPU: -1, Memory: 0},
		},
		Findings: []Finding{{ID: "lock_queue", Severity: Warning, Text: "t", Advice: "a", Since: at}},
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := new(Census)
	if err := json.Unmarshal(data, got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s\nreads as %+v", data, got)
	}
}

// TestTheShapeOfACensusIsFixed: other programs read it.
func TestTheShapeOfACensusIsFixed(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	data, err := json.Marshal(&Census{
		At: at, Server: CensusServer{Host: "h:1"},
		Processes: []Process{{PID: 1, CPU: -1, Memory: -1, Client: &Holder{ID: 2, Addr: "unix"}}},
		Findings:  []Finding{{ID: "x", Severity: Info, Since: at}},
	})
	const want = `{"at":"2026-03-01T12:00:00Z","server":{"version":null,"host":"h:1","local":null},"postmaster":{"pid":null,"alive":false},` +
		`"processes":[{"pid":1,"parent":null,"kind":null,"role":"","user":null,"database":null,"application":null,"state":null,"wait":null,` +
		`"since":null,"cpu_seconds":null,"memory_bytes":null,"ours":false,"client":{"id":2,"addr":"unix","pin":null}}],` +
		`"findings":[{"id":"x","severity":"info","text":"","advice":"","since":"2026-03-01T12:00:00Z"}]}`
	if err != nil || string(data) != want {
		t.Errorf("%s, %v\nwant %s", data, err, want)
	}
}

func TestWhereAServerIsReadsBackFromJSON(t *testing.T) {
	for where, want := range map[Whereabouts]string{Here: "true", Elsewhere: "false", Unlocated: "null"} {
		data, err := json.Marshal(&Census{Server: CensusServer{Where: where}})
		got := new(Census)
		if err != nil || json.Unmarshal(data, got) != nil || got.Server.Where != where || !strings.Contains(string(data), `"local":`+want) {
			t.Errorf("%d: %s, %v", where, data, err)
		}
	}
}
