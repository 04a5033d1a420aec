package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

func navigate(address string) chromedp.Action[chromedp.Void] { return chromedp.Navigate(address) }

// controls is every control of the page that can be seen, in the document's order.
const controls = `[...document.querySelectorAll("a[href], button, summary, input, [tabindex='0']")].filter((e) => e.checkVisibility())`

// where names the control that has the focus by its place among them, -1 if it is none.
const where = controls + `.indexOf(document.activeElement)`

func TestThePageIsUsedByKeyboard(t *testing.T) {
	t.Parallel()
	w := pageWeir(t)
	crowd(t, w, 6, 3, "web")
	b := newTab(t, startBrowser(t), hostOf(t, w))
	b.screen(1280, 900, "light")
	b.open(w.HTTP("/"))
	b.until("the tree is there", `document.querySelectorAll("#servers [data-wire=lent]").length === 3`)

	// Tab goes through every control, in their order, and each shows that it has
	// the focus. The rows may change meanwhile; those of this test do not.
	n := eval[int](b, controls+`.length`)
	if n < 15 {
		t.Fatalf("there are only %d controls", n)
	}
	for i := range n {
		b.press(keyTab)
		if got := eval[int](b, where); got != i {
			t.Fatalf("Tab %d leads to control %d of %d, %s", i+1, got, n, eval[string](b, `document.activeElement.outerHTML.slice(0, 200)`))
		}
		if !eval[bool](b, `getComputedStyle(document.activeElement).outlineStyle !== "none"`) {
			t.Errorf("control %d does not show that it has the focus: %s", i, eval[string](b, `document.activeElement.outerHTML.slice(0, 200)`))
		}
	}

	// The skip link leads to the figures.
	b.do(navigate(w.HTTP("/")))
	b.press(keyTab)
	if !eval[bool](b, `document.activeElement.className === "skip" && document.activeElement.getBoundingClientRect().top >= 0`) {
		t.Error("the first control is no link past the others, or cannot be seen")
	}
	b.press(keyEnter)
	b.until("the figures have the focus", `document.activeElement.id === "main"`)

	// Enter opens the details of a process, Esc closes them, and the focus goes back.
	b.until("the tree is alive", `document.getElementById("link").textContent === "live" && document.querySelectorAll("#servers [data-wire=lent]").length === 3`)
	pid := eval[string](b, `(() => { const p = document.querySelector("#servers [data-wire=lent]"); p.focus(); return p.querySelector(".pid [data-k=pid]").textContent; })()`)
	b.press(keyEnter)
	b.until("the details are open", `document.getElementById("process").open`)
	b.until("they are of this process", fmt.Sprintf(`document.getElementById("process-figures").textContent.includes("pid%s")`, pid))
	b.shoot("details")
	b.press(keyTab)
	if !eval[bool](b, `document.getElementById("process").contains(document.activeElement)`) {
		t.Error("Tab leaves the open details")
	}
	b.press(keyEscape)
	b.until("the details are closed, and the focus is where it was",
		fmt.Sprintf(`!document.getElementById("process").open && document.activeElement.dataset.process?.endsWith(" %s")`, pid))

	// The switch of the chart.
	eval[bool](b, `document.querySelector("[data-chart=minutes]").focus() ?? true`)
	b.press(keyEnter)
	b.until("the hour is shown", `document.getElementById("seconds").hidden && !document.getElementById("minutes").hidden
		&& document.querySelector("[data-chart=minutes]").getAttribute("aria-pressed") === "true"`)
}

func TestThePageIsHeard(t *testing.T) {
	t.Parallel()
	w := pageWeir(t)
	crowd(t, w, 4, 2, "web")
	b := newTab(t, startBrowser(t), hostOf(t, w))
	opened := time.Now()
	b.open(w.HTTP("/"))
	b.until("the tree is there", `document.querySelectorAll("#servers [data-wire=lent]").length === 2`)
	b.until("the chart has begun", `document.querySelector("#seconds .clients").getAttribute("d").startsWith("M")`)
	all := b.listen()
	for _, want := range []heard{
		{"heading", "Findings"}, {"heading", "Pools"}, {"heading", "Sizing"}, {"heading", "Pins"}, {"heading", "Clients against backends"},
		{"region", "Findings"}, {"region", "Pools"}, {"link", "Skip to the figures"}, {"button", "5 minutes"}, {"button", "1 hour"},
		{"columnheader", "clients"}, {"caption", ""}, {"contentinfo", ""}, {"main", ""}, {"banner", ""}, {"status", ""},
	} {
		if !has(all, want.role, want.name) {
			t.Errorf("there is no %s %q", want.role, want.name)
		}
	}
	begins := map[string]string{"heading": "2 backends saved", "button": "postmaster", "image": "Over the last 5 minutes", "region": "PostgreSQL at 127.0.0.1", "rowheader": "postgres@"}
	for role, name := range begins {
		found := false
		for _, h := range all {
			found = found || h.role == role && strings.HasPrefix(h.name, name)
		}
		if !found {
			t.Errorf("there is no %s that begins with %q", role, name)
		}
	}
	backend := false
	for _, h := range all {
		switch h.role {
		case "button", "link", "heading", "region", "image", "dialog":
			if h.name == "" {
				t.Errorf("a %s has no name", h.role)
			}
		}
		backend = backend || h.role == "button" && strings.HasPrefix(h.name, "backend ") && strings.Contains(h.name, "client ")
	}
	if !backend {
		t.Error("no button names a backend and its client")
	}
	for _, check := range []string{
		`document.documentElement.lang === "en"`,
		`document.querySelectorAll("h1").length === 1`,
		`[...document.querySelectorAll("table")].every((t) => t.caption && [...t.querySelectorAll("th")].every((th) => th.scope))`,
		`document.querySelectorAll("[aria-live]").length === 0 && document.querySelectorAll("[role=status]").length === 1`,
		// Headings go down by one.
		`(() => { let last = 0; return [...document.querySelectorAll("h1, h2, h3, h4")].filter((h) => h.closest("dialog, template") === null).every((h) => { const n = Number(h.tagName[1]); const ok = n <= last + 1; last = n; return ok; }); })()`,
		// No name is there twice.
		`(() => { const ids = [...document.querySelectorAll("[id]")].map((e) => e.id); return new Set(ids).size === ids.length; })()`,
	} {
		if !eval[bool](b, check) {
			t.Errorf("not so: %s", check)
		}
	}
	// What is said aloud is not said each second, but once a minute.
	said := b.text("spoken")
	crowd(t, w, 3, 0, "more")
	b.until("more clients are on the page", `document.getElementById("clients").textContent === "7"`)
	if now := b.text("spoken"); said == "" || now != said && time.Since(opened) < time.Minute {
		t.Errorf("it said %q, and at once %q", said, now)
	}
}

// contrast is the least contrast of text that can be seen, and whose it is.
const contrast = `(() => {
	const light = (c) => { const [r, g, b] = c.match(/[\d.]+/g).map(Number).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\)$/.test(c)) return c; } return "rgb(255, 255, 255)"; };
	let least = [99, ""];
	for (const e of document.body.querySelectorAll("*")) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.checkVisibility() || e.closest("script, style, .sr, .skip")) continue;
		const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < least[0]) least = [ratio, e.outerHTML.slice(0, 120)];
	}
	return least;
})()`

func TestThePageFitsEveryScreen(t *testing.T) {
	t.Parallel()
	w := pageWeir(t)
	all := crowd(t, w, 5, 2, hostileName+strings.Repeat("w", 63-len(hostileName)))
	must(t, all[2], "select pg_advisory_lock(7)")
	b := newTab(t, startBrowser(t), hostOf(t, w))
	b.open(w.HTTP("/"))
	b.until("the tree is there", `document.querySelectorAll("#servers [data-wire=lent], #servers [data-wire=pinned]").length === 3`)
	b.until("the chart has begun", `document.querySelector("#seconds .clients").getAttribute("d").startsWith("M")`)
	grounds := map[string]bool{}
	for _, colours := range []string{"light", "dark"} {
		for _, width := range []int64{320, 390, 768, 1024, 1440} {
			b.screen(width, 800, colours)
			if got := eval[int64](b, `document.documentElement.scrollWidth`); got > width {
				t.Errorf("at %d pixels the page is %d wide: %s", width, got,
					eval[string](b, fmt.Sprintf(`[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > %d && !e.closest(".scroll, .sr")).map((e) => e.outerHTML.slice(0, 80)).slice(0, 5).join("\n")`, width)))
			}
			// On a larger screen a table may be scrolled.
			if lost := eval[string](b, fmt.Sprintf(`[...document.querySelectorAll("#pools tbody :is(th, td), #pins tbody :is(th, td)")].filter((e) => { const r = e.getBoundingClientRect(); return r.width === 0 || r.left < 0 || r.right > %d || e.scrollWidth > e.clientWidth + 1 && !e.matches(".text"); }).map((e) => e.outerHTML.slice(0, 80)).slice(0, 5).join("\n")`, width)); lost != "" && width <= 768 {
				t.Errorf("at %d pixels columns are out of sight: %s", width, lost)
			}
			b.shoot(fmt.Sprintf("%s-%d", colours, width))
		}
		least := eval[[]any](b, contrast)
		t.Logf("%s: the least contrast is %.2f, of %s", colours, least[0], least[1])
		if least[0].(float64) < 4.5 {
			t.Errorf("%s: the contrast of %s is %.2f", colours, least[1], least[0])
		}
		grounds[eval[string](b, `getComputedStyle(document.body).backgroundColor`)] = true
	}
	if len(grounds) != 2 {
		t.Errorf("light and dark look the same: %v", grounds)
	}
}

// shape is what an element and those in it are, without their words.
const shape = `const shape = (e) => e.tagName === "SCRIPT" || e.tagName === "TEMPLATE" || e.tagName === "NOSCRIPT" ? "" :
	"<" + [e.tagName, ...[...e.attributes].map((a) => a.name).filter((n) => n !== "hidden").sort()].join(" ") + ">" + [...e.children].map(shape).join("");`

// TestTheScriptBuildsWhatTheServerWrites: a row that the script has made is like
// one that has come with the page.
func TestTheScriptBuildsWhatTheServerWrites(t *testing.T) {
	t.Parallel()
	w := pageWeir(t)
	b := newTab(t, startBrowser(t), hostOf(t, w))
	b.open(w.HTTP("/")) // without any client, so that the script makes all rows
	all := crowd(t, w, 5, 2, "web")
	must(t, all[2], "select pg_advisory_lock(8)")
	b.until("the tree is there", `document.querySelectorAll("#servers [data-wire=lent], #servers [data-wire=pinned]").length === 3`)
	b.until("pools and pins are there", `document.querySelector("#pools tbody tr") !== null && document.querySelector("#pins tbody tr") !== null`)
	compare := `(async () => { ` + shape + `
		const page = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
		for (const id of ["pools", "pins", "servers", "findings"]) {
			const [made, written] = [shape(document.getElementById(id)), shape(page.getElementById(id))];
			if (made !== written) return id + "\nmade    " + made + "\nwritten " + written;
		}
		return ""; })()`
	var last string
	defer func() {
		if last != "" {
			t.Log(last)
		}
	}()
	eventuallyWithin(t, pagePatience, "they are alike", func() bool {
		last = eval[string](b, compare, chromedp.EvalAwaitPromise)
		return last == ""
	})
}
