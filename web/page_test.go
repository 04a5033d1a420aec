package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"pgweir/status"
)

// pageText asks for the page of a source.
func pageText(t *testing.T, src Source) (http.Header, string) {
	t.Helper()
	w := httptest.NewRecorder()
	pageHandler(src).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Header(), w.Body.String()
}

func TestThePageHasTheFigures(t *testing.T) {
	_, body := pageText(t, world(14))
	for _, want := range []string{
		`<title data-k="title">134 backends saved · pgweir</title>`,
		`id="saved" data-k="saved">134<`, `id="clients" data-k="clients">150<`, `id="backends" data-k="backends">16<`,
		`width="10.67%"`, "9.4 clients for each backend.",
		`id="memory" data-k="memory">268 MB<`, "measured: 2.00 MB for each backend", "up <span data-k=\"up\">1 h 30 min<",
		`id="forks" data-k="forks">984<`, "1,001 logins of clients took 17 of backends",
		"at most 161 clients, and 21 backends", "clients, the first for 2.5 s", ">paused<",
		"1 critical finding", "kill -CONT 4102", "process_stopped", "for <span data-k=\"since\">42 s<",
		"grow from 20 to 28", "does not fit", "PostgreSQL at 127.0.0.1:5432", "version 17.6, on this machine",
		"client 903, unix", "advisory lock, temporary table", "12 to 16 backends, now 16",
		`<noscript><meta http-equiv="refresh"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("there is no %s", want)
		}
	}
	for _, unwanted := range []string{"ZgotmplZ", "http://127", "https://", "%!", `style="`, "onclick"} {
		if strings.Contains(body, unwanted) {
			t.Errorf("there is %s", unwanted)
		}
	}
	if strings.Contains(body, ">admin<") {
		t.Error("the console's pool is among the others")
	}
}

func TestThePageOfAPgweirThatHasJustBegunClaimsNothing(t *testing.T) {
	_, body := pageText(t, emptied())
	for _, want := range []string{"No pool yet", "No client is connected.", `data-k="memory">unknown<`, "No server has been looked at yet",
		"clients are served", "nothing is known yet", "Nothing is known yet of what the servers can give."} {
		if !strings.Contains(body, want) {
			t.Errorf("there is no %s", want)
		}
	}
	if strings.Contains(body, "everything is well") {
		t.Error("it says that all is well, and has looked at nothing")
	}
}

func TestTheVerdictIsThatOfTheGravestFinding(t *testing.T) {
	finding := func(s status.Severity) status.Finding { return status.Finding{ID: string(s), Severity: s} }
	for _, c := range []struct {
		name     string
		findings []status.Finding
		change   func(*made)
		verdict  string
		tone     tone
	}{
		{"nothing", nil, nil, "everything is well", toneWell},
		{"info", []status.Finding{finding(status.Info)}, nil, "everything is well", toneWell},
		{"warnings", []status.Finding{finding(status.Info), finding(status.Warning), finding(status.Warning)}, nil, "2 warnings", toneWarning},
		{"critical", []status.Finding{finding(status.Warning), finding(status.Critical)}, nil, "1 critical finding", toneCritical},
		{"sizes", nil, func(m *made) {
			m.s.Findings = []status.Finding{{ID: status.PoolsTooLarge, Severity: status.Warning}}
			m.sizing = &status.Sizing{Sums: []status.SizingSum{{Server: "h:1", Usable: 5, Wanted: 6}}}
		}, "1 warning", toneWarning},
		{"unknown sizes", nil, func(m *made) {
			m.sizing = &status.Sizing{Sums: []status.SizingSum{{Server: "h:1", Usable: -1, Wanted: 6, Fits: true}}}
		},
			"everything is well", toneWell},
		{"a paused pool", nil, func(m *made) { m.s.Pools[0].Paused = true }, "1 pool paused", toneWarning},
		{"a long wait", nil, func(m *made) { m.s.Pools[0].ClientsWaiting, m.s.Pools[0].MaxWait = 1, status.LongWait }, "clients wait for long", toneWarning},
		{"not ready", nil, func(m *made) { m.s.Ready, m.s.NotReady = false, "shutting down" }, "not ready: shutting down", toneCritical},
		{"no census", nil, func(m *made) { m.s.Censuses = nil }, "clients are served", toneInfo},
	} {
		m := world(1)
		m.s.Censuses[0].Findings, m.sizing = c.findings, nil
		for i := range m.s.Pools {
			m.s.Pools[i].Paused = false
		}
		if c.change != nil {
			c.change(m)
		}
		got := stateOf(m.s, m.h, m.sizing)
		if got.Verdict != c.verdict || got.VerdictTone != c.tone {
			t.Errorf("%s: %s, %s", c.name, got.Verdict, got.VerdictTone)
		}
	}
}

func TestFindingsOfAllServersStandWithTheGravestFirst(t *testing.T) {
	m := world(1)
	m.s.Censuses = []*status.Census{
		{Server: status.CensusServer{Host: "a:1"}, Findings: []status.Finding{{ID: "w", Severity: status.Warning}, {ID: "i", Severity: status.Info}}},
		{Server: status.CensusServer{Host: "b:1"}, Findings: []status.Finding{{ID: "c", Severity: status.Critical}, {ID: "w", Severity: status.Warning}}},
	}
	var got []string
	for _, f := range stateOf(m.s, m.h, m.sizing).Findings {
		got = append(got, f.Key)
	}
	if want := []string{"c b:1", "w a:1", "w b:1", "i a:1"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

// TestThePolicyAllowsThePageAndNothingElse: the hashes are of what is in the
// page, byte by byte, and there is nothing else that would need one.
func TestThePolicyAllowsThePageAndNothingElse(t *testing.T) {
	header, body := pageText(t, world(14))
	policy := header.Get("Content-Security-Policy")
	for what, pattern := range map[string]string{"style": `(?s)<style>(.*?)</style>`, "script": `(?s)<script>(.*?)</script>`} {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(body, -1)
		if len(found) == 0 || len(found) != strings.Count(body, "<"+what) {
			t.Errorf("%d of %d are a plain %s", len(found), strings.Count(body, "<"+what), what)
		}
		for _, m := range found {
			if !strings.Contains(policy, sourceHash(m[1])) {
				t.Errorf("the policy does not allow this %s: %.60s", what, m[1])
			}
		}
	}
	if strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'; ") {
		t.Errorf("the policy is %s", policy)
	}
}

// TestEveryPlaceOnThePageHasItsWord: the script finds a key for every place that
// it may write to, and the template writes the same field there.
func TestEveryPlaceOnThePageHasItsWord(t *testing.T) {
	views := map[string][]any{
		"finding": {findingView{}}, "pool": {poolView{}}, "sum": {sumView{}}, "advice": {adviceView{}}, "pin": {pinView{}},
		"backend": {processView{}}, "process": {processView{}}, "group": {groupView{}}, "row": {processView{}}, "plainserver": {serverView{}},
		"server": {serverView{}, readView{}, processView{}}, "chart": {chart{}}, "": {stateView{}, serverView{}},
	}
	places := 0
	for _, part := range regexp.MustCompile(`(?m)^(?:\{\{define "(\w+)" -\}\}|<!doctype html>)`).FindAllStringSubmatchIndex(pageSource, -1) {
		name := ""
		if part[2] >= 0 {
			name = pageSource[part[2]:part[3]]
		}
		text := pageSource[part[1]:]
		if end := regexp.MustCompile(`\{\{define "|<!doctype`).FindStringIndex(text); end != nil {
			text = text[:end[0]]
		}
		fields := map[string]string{} // of the Go field, by key
		for _, v := range views[name] {
			for i := range reflect.TypeOf(v).NumField() {
				f := reflect.TypeOf(v).Field(i)
				key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				fields[key] = f.Name
			}
		}
		check := func(key string) {
			places++
			if fields[key] == "" {
				t.Errorf("in %q there is no %q", name, key)
			}
		}
		for _, m := range regexp.MustCompile(`data-(?:k|list|with)="([^"]+)"`).FindAllStringSubmatch(text, -1) {
			check(m[1])
		}
		for _, m := range regexp.MustCompile(`data-if="!?([^"]+)"`).FindAllStringSubmatch(text, -1) {
			check(m[1])
		}
		for _, m := range regexp.MustCompile(`data-attr="([^"]+)"`).FindAllStringSubmatch(text, -1) {
			for pair := range strings.FieldsSeq(m[1]) {
				attribute, key, _ := strings.Cut(pair, "=")
				check(key)
				if !strings.Contains(text, attribute+`="{{.`+fields[key]+`}}"`) {
					t.Errorf("in %q the attribute %s is not written by the template", name, attribute)
				}
			}
		}
		for _, m := range regexp.MustCompile(`data-k="(\w+)"[^>]*>([^<]*)<`).FindAllStringSubmatch(text, -1) {
			if m[2] != "{{."+fields[m[1]]+"}}" {
				t.Errorf("in %q the template writes %s where the script writes %s", name, m[2], m[1])
			}
		}
	}
	if places < 100 {
		t.Errorf("only %d places were found", places)
	}
}

func TestNamesFromClientsAreTextAndNeverMarkup(t *testing.T) {
	m := world(14)
	m.s.Pools[1].User, m.s.Pools[1].Database = hostile, hostile
	_, body := pageText(t, m)
	if strings.Contains(body, "<img") || strings.Count(body, "</script>") != 1 {
		t.Error("a client's name became markup")
	}
	if !strings.Contains(body, "&lt;img src=x onerror=alert(1)&gt;") {
		t.Error("a client's name is not there")
	}
	for _, data := range [][]byte{message("state", stateOf(m.s, m.h, m.sizing)), message("census", censusOf(m.s.Censuses))} {
		if strings.Contains(string(data), "<") {
			t.Errorf("there is markup in %.100s", data)
		}
	}
}

// FuzzNamesAddNoMarkup: whatever a client calls itself, the page has the same
// tags.
func FuzzNamesAddNoMarkup(f *testing.F) {
	f.Add(hostile)
	f.Add("\x00\xff\u2028\u2029")
	f.Add(`" onmouseover="x`)
	f.Add(`{{.}}`)
	f.Add(`'--><!--`)
	render := func(t *testing.T, name string) string {
		m := world(6)
		m.s.Pools[1].User, m.s.Pools[1].Database, m.s.NotReady = name, name, name
		c := m.s.Censuses[0]
		c.Findings = append(c.Findings, status.Finding{ID: "lock_queue", Severity: status.Warning, Text: name, Advice: "x" + name})
		for i := range c.Processes {
			p := &c.Processes[i]
			if p.Kind == "client backend" {
				p.Application, p.Query = name, name
				if p.Client != nil {
					p.Client.Addr = name
				}
			}
		}
		for name, v := range map[string]any{"state": stateOf(m.s, m.h, m.sizing), "census": censusOf(m.s.Censuses)} {
			text := string(message(name, v))
			if strings.Count(text, "\n") != 3 || strings.ContainsAny(text, "\r<>") {
				t.Errorf("an event is cut: %q", text)
			}
		}
		_, body := pageText(t, m)
		return body
	}
	f.Fuzz(func(t *testing.T, name string) {
		want, got := render(t, "plain"), render(t, name)
		for _, c := range []string{"<", ">", `"`} {
			if strings.Count(got, c) != strings.Count(want, c) {
				t.Errorf("%q makes %d of %s, %q %d", "plain", strings.Count(want, c), c, name, strings.Count(got, c))
			}
		}
	})
}

func TestThePageAndItsEventsStaySmall(t *testing.T) {
	m := world(300)
	_, body := pageText(t, m)
	state, census := message("state", stateOf(m.s, m.h, m.sizing)), message("census", censusOf(m.s.Censuses))
	t.Logf("with 300 client backends the page has %d KB, a state %d, a census %d", len(body)>>10, len(state)>>10, len(census)>>10)
	if len(body) > 512<<10 || len(state) > 16<<10 || len(census) > 128<<10 {
		t.Error("that is too much")
	}
}

func BenchmarkThePage(b *testing.B) {
	m := world(300)
	h := pageHandler(m)
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
}

func BenchmarkAnEvent(b *testing.B) {
	m := world(300)
	for b.Loop() {
		message("state", stateOf(m.s, m.h, m.sizing))
		message("census", censusOf(m.s.Censuses))
	}
}

func TestUsualWaitIsABoundAndNeverAGuess(t *testing.T) {
	waits := func(at int, n uint64) []uint64 {
		out := make([]uint64, len(status.WaitBounds)+1)
		for i := at; i < len(out); i++ {
			out[i] = n
		}
		return out
	}
	rare := waits(0, 99)
	rare[len(rare)-1] = 100 // one in a hundred above all bounds
	rarer := waits(0, 98)
	rarer[len(rarer)-1] = 100
	for _, c := range []struct {
		waits []uint64
		want  string
	}{{nil, "–"}, {waits(0, 0), "–"}, {waits(0, 7), "< 100 µs"}, {waits(3, 7), "< 10 ms"}, {waits(len(status.WaitBounds), 1), "> 1 min"}, {rare, "< 100 µs"}, {rarer, "> 1 min"}} {
		if got := usualWait(c.waits); got != c.want {
			t.Errorf("%v: %s, want %s", c.waits, got, c.want)
		}
	}
}

// TestAListIsNeverNull: the script goes through every list.
func TestAListIsNeverNull(t *testing.T) {
	m := emptied()
	m.s.Censuses = []*status.Census{{Server: status.CensusServer{Host: "h:1"}}}
	for _, v := range []any{stateOf(m.s, m.h, nil), stateOf(emptied().s, m.h, m.sizing), censusOf(m.s.Censuses), censusOf(nil)} {
		data, err := json.Marshal(v)
		if err != nil || strings.Contains(string(data), "null") {
			t.Errorf("%s, %v", data, err)
		}
	}
}
