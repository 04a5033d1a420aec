package top

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgweir/status"
)

const (
	goodSavings = `{"clients":20,"backends":2,"saved":18,"ratio":10,"peak":{"clients":21,"backends":3,"saved":19},
		"client_logins_total":400,"server_logins_total":2,"backend_memory_bytes":7340032,"memory_saved_bytes":null,"memory_source":"measured","pools":[]}`
	goodPools = `{"savings":` + goodSavings + `,"findings":[{"id":"clients_wait","severity":"warning","text":"wrong","advice":"mend","since":"2026-03-01T11:59:00Z"}],"pools":[{"database":"shop","user":"alice","mode":"transaction","size":5,"clients_active":12,"clients_waiting":1,
		"servers_active":1,"servers_idle":2,"max_wait":1.5,"paused":true,"pinned":1,"listening":1,"averages":{"transactions":70},"backend_memory":null},
		{"database":"pgweir","user":"postgres","clients_active":1}]}`
)

// served is a reader of a server that answers by path and query.
func served(t *testing.T, answers map[string]string) *httpReader {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[strings.TrimPrefix(r.URL.RequestURI(), "/below")]
		if !ok {
			http.Error(w, "no census has been taken yet", http.StatusNotFound)
			return
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	h, err := newHTTPReader(server.URL + "/below")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	return h
}

func census(t *testing.T, host string) string {
	t.Helper()
	data, err := json.Marshal(&status.Census{At: noon, Server: status.CensusServer{Host: host}})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestAReadingOverHTTP(t *testing.T) {
	h := served(t, map[string]string{
		"/pools": goodPools, "/census": census(t, "a:1"),
		"/sizing": `{"servers":[{"server":"a:1"},{"server":"b:2"},{"server":"gone:3"}]}`, "/census?server=b%3A2": census(t, "b:2"),
	})
	r := &Reading{}
	h.read(t.Context(), r)
	if r.HTTPErr != nil || r.CensusErr != nil {
		t.Fatal(r.HTTPErr, r.CensusErr)
	}
	want := &Savings{Clients: 20, Backends: 2, Saved: 18, Ratio: 10, SavedPeak: 19, ClientLogins: 400, ServerLogins: 2,
		BackendMemory: 7 << 20, MemorySaved: -1, MemorySource: "measured"}
	if !reflect.DeepEqual(r.Savings, want) {
		t.Errorf("savings: %+v", r.Savings)
	}
	if len(r.Pools) != 1 {
		t.Fatalf("pools: %+v", r.Pools)
	}
	if p := r.Pools[0]; p.Clients() != 13 || p.Backends() != 4 || p.MaxWait != 1500*time.Millisecond || !p.Paused || p.BackendMemory != -1 || p.Averages.Transactions != 70 {
		t.Errorf("pool: %+v", p)
	}
	if len(r.Findings) != 1 || r.Findings[0].ID != status.ClientsWait || r.Findings[0].Severity != status.Warning || r.Findings[0].Text != "wrong" {
		t.Errorf("findings: %+v", r.Findings)
	}
	if len(r.Censuses) != 2 || r.Censuses[0].Server.Host != "a:1" || r.Censuses[1].Server.Host != "b:2" {
		t.Errorf("censuses: %+v", r.Censuses)
	}
}

func TestWhatIsNoPgweirIsSaid(t *testing.T) {
	good := map[string]string{"/pools": goodPools, "/census": census(t, "a:1"), "/sizing": `{"servers":[]}`}
	for _, c := range []struct{ path, body, want string }{
		{"/pools", `{"pools":[]}`, "/pools is not what pgweir gives: clients, backends or saved is missing in savings"},
		{"/pools", "<html>", "/pools is not what pgweir gives"},
		{"/pools", "{}", "/pools is not what pgweir gives: pools is missing"},
		{"/pools", `{"pools":1}`, "/pools is not what pgweir gives"},
		{"/census", "{}", "/census is not what pgweir gives: at is missing"},
		{"/census", "null", "/census is not what pgweir gives"},
		{"/census", "[]", "/census is not what pgweir gives"},
		{"/sizing", "[]", "/sizing is not what pgweir gives"},
		{"/pools", strings.Repeat(" ", maxAnswer) + goodPools, "/pools: the answer is larger than 16.0M"},
	} {
		answers := map[string]string{}
		for path, body := range good {
			answers[path] = body
		}
		answers[c.path] = c.body
		r := &Reading{}
		served(t, answers).read(t.Context(), r)
		if r.HTTPErr == nil || !strings.Contains(r.HTTPErr.Error(), c.want) {
			t.Errorf("%s is %.20q: %v", c.path, c.body, r.HTTPErr)
		}
	}
	// One without a census is a pgweir all the same; one that does not know the
	// sizing has one server.
	delete(good, "/sizing")
	r := &Reading{}
	served(t, good).read(t.Context(), r)
	if r.HTTPErr != nil || r.CensusErr != nil || len(r.Censuses) != 1 {
		t.Errorf("without /sizing: %v %v", r.HTTPErr, r.CensusErr)
	}
	delete(good, "/census")
	r = &Reading{}
	served(t, good).read(t.Context(), r)
	if r.HTTPErr != nil || r.CensusErr == nil || r.CensusErr.Error() != "/census: 404 Not Found: no census has been taken yet" || r.Savings == nil {
		t.Errorf("without /census: %v %v", r.HTTPErr, r.CensusErr)
	}
}

func TestNoMoreServersAreAskedThanThereIsRoomFor(t *testing.T) {
	answers := map[string]string{"/pools": goodPools, "/census": census(t, "s0")}
	var names []string
	for i := range 2 * maxServers {
		name := fmt.Sprintf("s%d", i)
		names = append(names, fmt.Sprintf(`{"server":%q}`, name))
		answers["/census?server="+name] = census(t, name)
	}
	answers["/sizing"] = `{"servers":[` + strings.Join(names, ",") + `]}`
	r := &Reading{}
	served(t, answers).read(t.Context(), r)
	if r.HTTPErr != nil || len(r.Censuses) != maxServers {
		t.Errorf("%d censuses, %v", len(r.Censuses), r.HTTPErr)
	}
}

func TestARedirectionIsNotFollowed(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound))
	defer server.Close()
	h, err := newHTTPReader(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	r := &Reading{}
	h.read(t.Context(), r)
	var answer *answerError
	if !errors.As(r.HTTPErr, &answer) || answer.code != http.StatusFound {
		t.Errorf("a redirection: %v", r.HTTPErr)
	}
}

func TestURLs(t *testing.T) {
	for _, good := range []string{"http://127.0.0.1:9127", "https://u:p@h/pgweir/", "http://[::1]:1"} {
		if _, err := newHTTPReader(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "127.0.0.1:9127", "localhost:9127", "ftp://h", "http://", "http://h?a=b", "http://h#x", "http://u:secret@h:x", "http://u:secret@h?x"} {
		if _, err := newHTTPReader(bad); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "http://127.0.0.1:9127") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(goodPools))
	f.Add([]byte(`{"servers":[{"server":"a:1"}]}`))
	f.Add([]byte(`{"at":"2026-03-01T12:00:00Z","server":{"host":"h"},"processes":[{"pid":1,"cpu_seconds":1e300,"memory_bytes":-9,"since":"0001-01-01T00:00:00Z","client":{}}],"findings":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &Reading{At: noon}
		if c, err := decodeCensus(data); err == nil {
			r.Censuses = append(r.Censuses, c, c)
		}
		if p, s, _, err := decodePools(data); err == nil {
			r.Pools, r.Savings = p, s
		}
		_, _ = decodeServers(data)
		everyScreen(t, r, "x")
	})
}
