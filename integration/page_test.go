package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
	"pgweir/cluster/child"
)

// hostileName is an application_name as somebody may choose it who wants to be
// markup.
const hostileName = `</script><img src=x onerror=pwned()><b>`

// pageWeir is a pgweir in front of a server of its own, which it watches.
func pageWeir(t *testing.T) *weir {
	t.Helper()
	findBrowser(t) // before a server is started for nothing
	return startWeir(t, weirOptions{
		// Its workers come and go, and some tests go through the whole tree.
		Cluster: startCluster(t, cluster.Options{Settings: map[string]string{"autovacuum": "off"}}),
		Top:     "census_user = \"postgres\"\ncensus_interval = \"200ms\"",
	})
}

func hostOf(t *testing.T, w *weir) string {
	t.Helper()
	u, err := url.Parse(w.HTTP("/"))
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// figuresOf is /savings as the test reads it.
type figuresOf struct {
	Clients      int    `json:"clients"`
	Backends     int    `json:"backends"`
	Saved        int    `json:"saved"`
	ClientLogins int64  `json:"client_logins_total"`
	ServerLogins int64  `json:"server_logins_total"`
	MemorySaved  *int64 `json:"memory_saved_bytes"`
	MemorySource string `json:"memory_source"`
}

func savingsOf(t *testing.T, w *weir) (s figuresOf) {
	t.Helper()
	if _, body := get(t, w, "/savings"); json.Unmarshal([]byte(body), &s) != nil {
		t.Fatalf("no JSON: %s", body)
	}
	return s
}

// figure is a number on the page.
func (b *tab) figure(id string) int {
	b.t.Helper()
	n, err := strconv.Atoi(strings.ReplaceAll(b.text(id), ",", ""))
	if err != nil {
		b.t.Fatalf("#%s is no number: %v", id, err)
	}
	return n
}

// sizeOnPage reads a size as the page writes it, and how much may be rounded off.
func sizeOnPage(t *testing.T, text string) (size, error float64) {
	t.Helper()
	number, unit, _ := strings.Cut(text, " ")
	n, err := strconv.ParseFloat(strings.ReplaceAll(number, ",", ""), 64)
	power := slices.Index([]string{"bytes", "kB", "MB", "GB"}, unit)
	if err != nil || power < 0 {
		t.Fatalf("no size: %q", text)
	}
	_, fraction, _ := strings.Cut(number, ".")
	scale := math.Pow(1024, float64(power))
	return n * scale, 0.5 * math.Pow10(-len(fraction)) * scale
}

// crowd opens clients, of which the first so many keep a transaction open.
func crowd(t *testing.T, w *weir, clients, busy int, name string) []*pgx.Conn {
	t.Helper()
	var all []*pgx.Conn
	for i := range clients {
		conn := connect(t, w.DSN("application_name='"+name+"'"))
		if i < busy {
			must(t, conn, "begin; select 1")
		}
		all = append(all, conn)
	}
	return all
}

func TestTheNumbersOnThePageAreThoseOfSavingsAndLive(t *testing.T) {
	t.Parallel()
	w := pageWeir(t)
	b := newTab(t, startBrowser(t), hostOf(t, w))
	crowd(t, w, 20, 3, "web")
	b.open(w.HTTP("/"))
	same := func() bool {
		before := savingsOf(t, w)
		got := [4]int{b.figure("saved"), b.figure("clients"), b.figure("backends"), b.figure("forks")}
		memory, note := b.text("memory"), eval[string](b, `document.getElementById("memory").nextElementSibling.textContent`)
		if after := savingsOf(t, w); after.Clients != before.Clients || after.Backends != before.Backends || after.MemorySource != before.MemorySource ||
			(after.MemorySaved == nil) != (before.MemorySaved == nil) || after.MemorySaved != nil && *after.MemorySaved != *before.MemorySaved {
			return false
		}
		if got != [4]int{before.Saved, before.Clients, before.Backends, max(0, int(before.ClientLogins-before.ServerLogins))} {
			return false
		}
		if unknown := memory == "unknown"; unknown || before.MemorySaved == nil {
			return unknown && before.MemorySaved == nil // the page may have yet to hear of it
		}
		size, rounding := sizeOnPage(t, memory)
		return max(size-float64(*before.MemorySaved), float64(*before.MemorySaved)-size) <= rounding && strings.HasPrefix(note, before.MemorySource)
	}
	eventuallyWithin(t, pagePatience, "the page has the numbers of /savings", same)
	if n := b.figure("clients"); n != 20 {
		t.Errorf("the page has %d clients, want 20", n)
	}
	eval[bool](b, `window.notReloaded = true`)
	crowd(t, w, 7, 1, "more")
	b.until("seven more clients are on the page", `document.getElementById("clients").textContent === "27"`)
	eventuallyWithin(t, pagePatience, "the page has the numbers of /savings again", same)
	if !eval[bool](b, `window.notReloaded === true`) {
		t.Error("the page was loaded anew")
	}
	if title := eval[string](b, `document.title`); title != fmt.Sprintf("%d backends saved · pgweir", b.figure("saved")) {
		t.Errorf("the title is %q", title)
	}
}

func TestTheTreeOnThePageIsThatOfTheCensus(t *testing.T) {
	t.Parallel()
	w := pageWeir(t)
	b := newTab(t, startBrowser(t), hostOf(t, w))
	all := crowd(t, w, 4, 2, hostileName)
	must(t, all[2], "select pg_advisory_lock(1)") // a pin
	b.open(w.HTTP("/"))
	backends := `[...document.querySelectorAll("#servers .process[data-wire=lent], #servers .process[data-wire=pinned]")]`
	b.until("three backends are lent, one is pinned", backends+`.length === 3 && document.querySelectorAll("#servers [data-wire=pinned]").length === 1`)
	pids := eval[[]string](b, backends+`.map((p) => p.querySelector(".pid [data-k=pid]").textContent)`)
	for _, pid := range pids {
		n, err := strconv.Atoi(pid)
		if err != nil || !slices.Contains(w.Backends(t), n) {
			t.Errorf("%s is no backend of %v", pid, w.Backends(t))
		}
	}
	if root := eval[string](b, `document.querySelector(".root .pid").textContent`); root != strconv.Itoa(w.PG.PID()) {
		t.Errorf("the root of the tree is %s, want the postmaster, %d", root, w.PG.PID())
	}
	b.until("the background processes are there", `["checkpointer", "background writer", "walwriter"].every((kind) => [...document.querySelectorAll("#servers .kind")].some((e) => e.textContent === kind))`)
	b.until("the pin is in its list", `document.querySelector("#pins tbody")?.textContent.includes("advisory lock")`)

	pinned := eval[string](b, `document.querySelector("#servers [data-wire=pinned] .pid [data-k=pid]").textContent`)

	// A name is text, in the tree, in the details and in the lists.
	eval[bool](b, `document.querySelector("#servers [data-wire=pinned]").click() ?? true`)
	b.until("the details are open", `document.getElementById("process").open`)
	if text := eval[string](b, `document.getElementById("process-figures").textContent`); !strings.Contains(text, hostileName) || !strings.Contains(text, "advisory lock") {
		t.Errorf("the details are %q", text)
	}
	if role := b.text("process-role"); role == "" {
		t.Error("what such a process does is not explained")
	}
	if n := eval[int](b, `document.querySelectorAll("img").length`); n != 0 {
		t.Errorf("%d images came to be", n)
	}
	// Open details follow their process, and say so when it has gone.
	must(t, all[2], "select pg_advisory_unlock(1)")
	b.until("the pin has gone from the details", `!document.getElementById("process-figures").textContent.includes("advisory lock")`)
	must(t, connect(t, w.Direct()), "select pg_terminate_backend("+pinned+")")
	b.until("the process has ended", `!document.getElementById("process-gone").hidden`)
}

func TestAFindingIsSeenOnThePageAndGoes(t *testing.T) {
	t.Parallel()
	w := pageWeir(t)
	b := newTab(t, startBrowser(t), hostOf(t, w))
	b.open(w.HTTP("/"))
	var pid int
	eventually(t, "there is a walwriter", func() bool {
		out, err := exec.Command("pgrep", "-P", strconv.Itoa(w.PG.PID()), "-f", "walwriter").Output()
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(out)))
		return err == nil
	})
	b.until("all is well", `!document.querySelector("#verdict").textContent.includes("critical")`)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGCONT)
	b.until("the finding is there", `document.querySelector(".findings").textContent.includes("process_stopped")`)
	b.until("the process is marked", fmt.Sprintf(`document.querySelector("#servers [data-mark=stopped] .pid")?.textContent === "%d"`, pid))
	b.screen(1280, 900, "light")
	b.shoot("finding")
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	b.until("the finding has gone", `!document.querySelector(".findings").textContent.includes("process_stopped")`)
	b.until("the mark has gone", `document.querySelector("#servers [data-mark=stopped]") === null`)
}

func TestWithoutScriptsThePageIsTables(t *testing.T) {
	t.Parallel()
	w := pageWeir(t)
	crowd(t, w, 6, 2, hostileName)
	b := newTab(t, startBrowser(t), hostOf(t, w))
	eventually(t, "a census has been taken", func() bool { code, _ := get(t, w, "/census"); return code == http.StatusOK })
	b.scripts(false)
	b.screen(1280, 900, "light")
	// The page loads itself anew every 5 seconds, which may be while it is looked at.
	is := func(condition string) bool {
		ok, err := tryEval[bool](b, condition)
		return ok && err == nil
	}
	shown := func(text string) bool {
		b.do(navigate(w.HTTP("/")))
		return is(fmt.Sprintf(`document.body.innerText.includes(%q)`, text))
	}
	eventuallyWithin(t, pagePatience, "the tables name the processes", func() bool { return shown("walwriter") && shown("Processes of PostgreSQL at") })
	eventuallyWithin(t, pagePatience, "the tables have the clients", func() bool { return shown(hostileName) })
	for _, check := range []string{
		`document.querySelector("noscript table caption") !== null`,
		`getComputedStyle(document.querySelector(".tree")).display === "none"`,
		`getComputedStyle(document.getElementById("link")).display === "none"`,
		`document.querySelector('noscript meta[http-equiv="refresh"]') !== null`,
		`document.getElementById("clients").textContent === "6"`,
		`document.querySelectorAll("img").length === 0`,
	} {
		eventually(t, check, func() bool { return is(check) })
	}
	b.shoot("plain")
}

// TestThePageComesBackByItself: pgweir ends, which an open page does not hold
// up, and starts again.
func TestThePageComesBackByItself(t *testing.T) {
	t.Parallel()
	w := pageWeir(t)
	b := newTab(t, startBrowser(t), hostOf(t, w))
	b.open(w.HTTP("/"))
	eval[bool](b, `window.notReloaded = true`)
	began := time.Now()
	w.Signal(t, syscall.SIGTERM)
	if code := w.Exited(t, stopDeadline); code != 0 {
		t.Errorf("pgweir ended with %d", code)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("with an open page pgweir took %v to end", took)
	}
	b.until("the page says since when it is disconnected", `/^disconnected since \S/.test(document.getElementById("link").textContent)`)
	b.until("it says so aloud", `document.getElementById("spoken").textContent.startsWith("disconnected since")`)
	b.shoot("disconnected")

	again := exec.Command(program, "serve", "-c", w.ConfigPath())
	again.Stdout, again.Stderr = w.log, w.log
	var err error
	if w.process, err = child.Start(again, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.until("the page is live again", `document.getElementById("link").textContent === "live"`)
	crowd(t, w, 3, 0, "web")
	b.until("it has the new numbers", `document.getElementById("clients").textContent === "3"`)
	if !eval[bool](b, `window.notReloaded === true`) {
		t.Error("the page was loaded anew")
	}
	b.forgive() // a browser notes each connection that was refused
}

func TestListenersToThePageAreBounded(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	const most = 64
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	listen := func() *http.Response {
		answer, err := client.Get(w.HTTP("/events"))
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	var first *http.Response
	for i := range most {
		answer := listen()
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("listener %d gets %s", i+1, answer.Status)
		}
		for lines := bufio.NewScanner(answer.Body); lines.Scan() && lines.Text() != "event: state"; {
		}
		if i == 0 {
			first = answer
		}
	}
	refused := listen()
	why, _ := io.ReadAll(refused.Body)
	refused.Body.Close()
	if refused.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(why), "64 listeners") {
		t.Errorf("one too many gets %s, %q", refused.Status, why)
	}
	if code, _ := get(t, w, "/savings"); code != http.StatusOK {
		t.Errorf("meanwhile /savings gives %d", code)
	}
	first.Body.Close()
	eventually(t, "somebody else may listen", func() bool {
		answer := listen()
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}
