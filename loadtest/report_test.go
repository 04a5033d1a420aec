package loadtest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// element is a part of a page.
type element struct {
	name     string
	attrs    map[string]string
	children []*element
	text     string // of its own and of all inside
}

// parsePage reads a page as strictly as XML is.
func parsePage(t *testing.T, text []byte) *element {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(text))
	root := &element{name: "page"}
	open := []*element{root}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the report is not well-formed: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := &element{name: token.Name.Local, attrs: map[string]string{}}
			for _, a := range token.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			above := open[len(open)-1]
			above.children = append(above.children, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			for _, e := range open {
				e.text += string(token)
			}
		}
	}
	return root
}

// find gives all elements below e that are as wanted.
func (e *element) find(wanted func(*element) bool) (found []*element) {
	for _, c := range e.children {
		if wanted(c) {
			found = append(found, c)
		}
		found = append(found, c.find(wanted)...)
	}
	return found
}

func named(name, class string) func(*element) bool {
	return func(e *element) bool { return e.name == name && (class == "" || e.attrs["class"] == class) }
}

func (e *element) number(t *testing.T, attr string) float64 {
	t.Helper()
	return parseNumber(t, e.attrs[attr])
}

func parseNumber(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimSuffix(text, " s"), ",", ""), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// axis reads a scale off the labels of a plot, as its reader does: it gives the
// value at a place.
func axis(t *testing.T, plot *element, along, anchor string, log bool) func(place float64) float64 {
	t.Helper()
	var at, value []float64
	for _, label := range plot.find(named("text", "axis")) {
		if label.attrs["text-anchor"] == anchor {
			at = append(at, label.number(t, along))
			v := parseNumber(t, label.text)
			if log {
				v = math.Log10(v)
			}
			value = append(value, v)
		}
	}
	if len(at) < 2 {
		t.Fatalf("%d labels on an axis", len(at))
	}
	last := len(at) - 1
	return func(place float64) float64 {
		v := value[0] + (place-at[0])/(at[last]-at[0])*(value[last]-value[0])
		if log {
			return math.Pow(10, v)
		}
		return v
	}
}

// samplePhase is a phase with figures that come from a seed. Some of its
// samples know nothing of the backends, some have no transaction.
func samplePhase(name string, random *rand.Rand, clients, backends, n int) *Phase {
	p := &Phase{
		Name: name, Target: "me@host:1/db", Server: "15.1", Clients: clients, BackendsMax: backends, ProcessesMax: backends + 6,
		MemoryMax: int64(backends) * 1_300_000, Transactions: 1234, Elapsed: time.Second, Measuring: time.Second,
		Connect: Quantiles{10, 1e6, 2e6, 3e6, 4e6}, Latency: Quantiles{1234, 5e6, 6e6, 7e6, 8e6},
	}
	for i := range n {
		s := Sample{
			At: time.Duration(i+1)*sampleInterval + time.Duration(random.IntN(5e6)), Clients: random.IntN(clients + 1),
			Backends: random.IntN(backends + 1), Memory: random.Int64N(p.MemoryMax + 1), Transactions: 10,
			P50: time.Duration(1000 * (1 + random.IntN(20_000))), P99: time.Duration(1000 * (20_000 + random.IntN(100_000))),
		}
		if random.IntN(8) == 0 {
			s.Backends, s.Memory = unknown, unknown
		}
		if random.IntN(8) == 0 {
			s.Transactions, s.P50, s.P99 = 0, 0, 0
		}
		p.Samples = append(p.Samples, s)
	}
	return p
}

func written(t *testing.T, r *Result) (*element, string) {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	return parsePage(t, b.Bytes()), b.String()
}

// TestThePlottedPointsAreThoseMeasured reads every point of every line back by
// the labels of its axes.
func TestThePlottedPointsAreThoseMeasured(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	r := &Result{Direct: samplePhase("direct", random, 200, 200, 60), Pooled: samplePhase("pooled", random, 200, 20, 55)}
	page, _ := written(t, r)
	for _, c := range []struct {
		id, class string
		log       bool
		value     func(Sample) float64 // NaN: none
	}{
		{"clients", "", false, func(s Sample) float64 { return float64(s.Clients) }},
		{"backends", "", false, func(s Sample) float64 { return orNaN(float64(s.Backends), s.Backends >= 0) }},
		{"memory", "", false, func(s Sample) float64 { return orNaN(float64(s.Memory)/1e6, s.Memory >= 0) }},
		{"latency", " p50", true, func(s Sample) float64 { return orNaN(s.P50.Seconds()*1000, s.Transactions > 0) }},
		{"latency", " p99", true, func(s Sample) float64 { return orNaN(s.P99.Seconds()*1000, s.Transactions > 0) }},
	} {
		plot := page.find(func(e *element) bool { return e.attrs["id"] == c.id })
		if len(plot) != 1 {
			t.Fatalf("%d plots %s", len(plot), c.id)
		}
		x := axis(t, plot[0], "x", "middle", false)
		y := axis(t, plot[0], "y", "end", c.log)
		for _, p := range r.phases() {
			var points [][2]float64
			for _, line := range plot[0].find(named("polyline", p.Name+c.class)) {
				var part [][2]float64
				for point := range strings.FieldsSeq(line.attrs["points"]) {
					px, py, _ := strings.Cut(point, ",")
					part = append(part, [2]float64{x(parseNumber(t, px)), y(parseNumber(t, py))})
				}
				if len(part) == 2 && part[0] == part[1] {
					part = part[:1]
				}
				points = append(points, part...)
			}
			for _, s := range p.Samples {
				want := c.value(s)
				if math.IsNaN(want) {
					continue
				}
				if len(points) == 0 {
					t.Fatalf("%s %s: points are missing", c.id, p.Name)
				}
				// A place is written to a hundredth of a unit.
				if math.Abs(points[0][0]-s.At.Seconds()) > 0.01 || math.Abs(points[0][1]-want) > 0.002*max(want, 200) && !c.log ||
					c.log && math.Abs(points[0][1]-want) > 0.01*want {
					t.Fatalf("%s %s: the point %v stands for %v, %v", c.id, p.Name, points[0], s.At.Seconds(), want)
				}
				points = points[1:]
			}
			if len(points) > 0 {
				t.Errorf("%s %s: %d points too many", c.id, p.Name, len(points))
			}
		}
	}
}

func orNaN(v float64, known bool) float64 {
	if !known {
		return math.NaN()
	}
	return v
}

func TestTheReportStandsByItself(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	r := &Result{
		Direct: samplePhase("direct", random, 30, 30, 20), Pooled: samplePhase("pooled", random, 30, 5, 20),
		Workload: `<script>alert("x")</script> & http.sql`, Clients: 40, Interrupted: true,
	}
	r.Direct.Refused = &Refusal{"53300", `too many clients for "<b>"`}
	page, text := written(t, r)
	for _, bad := range []string{"http://", "https://", "<script", "url(", "@import", "javascript:"} {
		if strings.Contains(text, bad) {
			t.Errorf("the report has %q", bad)
		}
	}
	ids := map[string]bool{}
	all := page.find(func(*element) bool { return true })
	for _, e := range all {
		if id := e.attrs["id"]; id != "" {
			if ids[id] {
				t.Errorf("the id %s is there twice", id)
			}
			ids[id] = true
		}
		for _, attr := range []string{"src", "href", "style", "onload", "data"} {
			if _, ok := e.attrs[attr]; ok {
				t.Errorf("<%s> has %s", e.name, attr)
			}
		}
	}
	plots := page.find(named("svg", "plot"))
	if len(plots) != 4 {
		t.Errorf("%d plots", len(plots))
	}
	for _, plot := range plots {
		if plot.attrs["role"] != "img" || len(plot.find(named("title", ""))) != 1 || len(plot.find(named("desc", ""))) != 1 {
			t.Errorf("plot %s does not say what it is", plot.attrs["id"])
		}
		for _, id := range strings.Fields(plot.attrs["aria-labelledby"]) {
			if !ids[id] {
				t.Errorf("plot %s is labelled by %s, which is not there", plot.attrs["id"], id)
			}
		}
	}
	if d := page.find(named("details", "")); len(d) != 2 || len(d[0].find(named("tr", ""))) != 21 {
		t.Errorf("the samples are not there as tables")
	}
	for _, want := range []string{
		"25 backends fewer", `<script>alert("x")</script> & http.sql`, `the server allows no more (53300: too many clients for "<b>")`,
		"30 clients: direct 30 backends", "was interrupted",
	} {
		if !strings.Contains(strings.Join(strings.Fields(page.text), " "), want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	if !regexp.MustCompile(`prefers-color-scheme: dark`).MatchString(text) || !strings.Contains(text, "@media print") {
		t.Error("the report has no dark or printed form")
	}
}

// TestAReportOfLittleIsWellFormed: of one phase, of one that knows nothing, of
// one without a sample.
func TestAReportOfLittleIsWellFormed(t *testing.T) {
	blind := &Phase{Name: "pooled", BackendsMax: unknown, BackendsBefore: unknown, ProcessesMax: unknown, MemoryMax: unknown}
	seen := &Phase{Name: "pooled", BackendsMax: unknown, MemoryMax: unknown, Samples: []Sample{{Backends: unknown, Memory: unknown}}}
	for what, r := range map[string]*Result{
		"nothing": {}, "a blind one": {Pooled: blind}, "one sample": {Pooled: seen},
		"direct only": {Direct: samplePhase("direct", rand.New(rand.NewPCG(1, 1)), 3, 3, 1)},
		"both":        {Direct: samplePhase("direct", rand.New(rand.NewPCG(1, 1)), 3, 3, 5), Pooled: blind},
	} {
		page, text := written(t, r)
		if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") || strings.Contains(text, "-1") {
			t.Errorf("%s: a number that is none is in the report", what)
		}
		if n := len(page.find(named("table", ""))); n != 1+len(r.phases()) {
			t.Errorf("%s: %d tables", what, n)
		}
		var b bytes.Buffer
		if err := r.WriteText(&b); err != nil || strings.Contains(b.String(), "-1") {
			t.Errorf("%s: %v\n%s", what, err, b.String())
		}
	}
}

func TestTheJSONHasWhatIsPromisedAndNothingElse(t *testing.T) {
	phase := samplePhase("direct", rand.New(rand.NewPCG(1, 1)), 3, 3, 5)
	phase.Errors = []ErrorCount{{"40001", "x", 2}, {"57P01", "y", 3}}
	blind := &Phase{Name: "pooled", Clients: 2, BackendsMax: unknown, ProcessesMax: unknown, MemoryMax: unknown}
	for _, c := range []struct {
		r    *Result
		want string
	}{
		{&Result{Direct: phase}, `{"direct":{"clients":3,"backends_max":3,"memory_max_bytes":3900000,"connect_ms":{"p50":1,"p99":3},` +
			`"latency_ms":{"p50":5,"p99":7},"transactions":1234,"errors":5},"pooled":null}`},
		{&Result{Pooled: blind}, `{"direct":null,"pooled":{"clients":2,"backends_max":null,"memory_max_bytes":null,"connect_ms":{"p50":null,"p99":null},` +
			`"latency_ms":{"p50":null,"p99":null},"transactions":0,"errors":0}}`},
	} {
		got, err := json.Marshal(c.r)
		if err != nil || string(got) != c.want {
			t.Errorf("%v\n%s\nwant\n%s", err, got, c.want)
		}
	}
}

func TestTheTextSetsThePhasesSideBySide(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	r := &Result{Direct: samplePhase("direct", random, 1200, 1200, 5), Pooled: samplePhase("pooled", random, 1200, 20, 5), Clients: 1200}
	r.Pooled.Latency.P50 *= 3
	r.Pooled.Latency.Max /= 40
	r.Direct.MemoryMax = unknown
	r.Pooled.Errors = []ErrorCount{{"40001", "could not serialize", 2}}
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(` {2,}`).ReplaceAllString(b.String(), " | ")
	for _, want := range []string{
		"| direct | pooled | difference\n",
		"| clients | 1,200 | 1,200 | the same\n",
		"| backends, at most | 1,200 | 20 | 1,180 fewer\n",
		"| memory of the backends, at most | unknown | 24.8 MB | –\n",
		"| time to connect, p99 | 3.00 ms | 3.00 ms | the same\n",
		"| time of a transaction, p50 | 5.00 ms | 15.0 ms | × 3.00\n",
		"| time of a transaction, max | 8.00 ms | 0.20 ms | ÷ 40\n",
		"| errors | 0 | 2 | 2 more\n",
		"| 1,200 clients: direct 1,200 backends; through the pool 20 backends, 24.8 MB.\n",
		"| pooled: 2 errors (40001): could not serialize\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
}
