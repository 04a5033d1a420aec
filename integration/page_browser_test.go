package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	browserlog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// findBrowser gives the path of a browser. Without one the test fails.
func findBrowser(t *testing.T) string {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
		"/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"}
	if chosen := os.Getenv("PGWEIR_TEST_BROWSER"); chosen != "" {
		names = []string{chosen}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("no browser is here to test the page with (looked for %s): scripts/install-browser installs one, and PGWEIR_TEST_BROWSER names another",
		strings.Join(names, ", "))
	return ""
}

// startBrowser starts a browser with an empty profile of its own, and gives the
// context of its tabs. It ends with the test, and its profile with it.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(findBrowser(t)),
		chromedp.Flag("headless", "new"), chromedp.Flag("hide-scrollbars", true),
		chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		// It is to ask for nothing of its own accord.
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), // containers have little of it
		chromedp.WSURLReadTimeout(pagePatience),      // it starts slowly where much else runs
	}
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // for root there is no other way
	}
	// It is ended below, and waited for: what it writes goes with the test.
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("the browser: %v", err)
		}
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	return ctx
}

// pagePatience is how long a browser may take, which is many processes where
// each gets little of the machine.
const pagePatience = 3 * patience

// tab is one tab of a browser, with what it has asked for and complained of.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	requests   []string
	complaints []string
}

// newTab opens a tab. When the test ends, it must have asked nobody but host,
// and complained of nothing.
func newTab(t *testing.T, browser context.Context, host string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	b := &tab{t: t, ctx: ctx}
	err := chromedp.Listen(ctx, func(ev any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := ev.(type) {
		case *network.EventRequestWillBeSent:
			b.requests = append(b.requests, e.Request.URL)
		case *network.EventWebSocketCreated:
			b.requests = append(b.requests, e.URL)
		case *runtime.EventConsoleAPICalled:
			b.complaints = append(b.complaints, fmt.Sprintf("console.%s", e.Type))
		case *runtime.EventExceptionThrown:
			b.complaints = append(b.complaints, fmt.Sprintf("exception: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
		case *browserlog.EventEntryAdded:
			b.complaints = append(b.complaints, fmt.Sprintf("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.requests) == 0 {
			t.Error("the tab's requests were not seen")
		}
		for _, r := range b.requests {
			if u, err := url.Parse(r); err != nil || u.Host != host && u.Scheme != "data" {
				t.Errorf("it asked for %s", r)
			}
		}
		for _, c := range b.complaints {
			t.Errorf("it complained: %s", c)
		}
		cancel()
	})
	return b
}

// forgive forgets what the tab has complained of.
func (b *tab) forgive() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = nil
}

// do runs steps in the tab.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pagePatience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// eval evaluates an expression in the page.
func eval[T any](b *tab, expression string, options ...chromedp.EvaluateOption) T {
	b.t.Helper()
	v, err := tryEval[T](b, expression, options...)
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// tryEval is eval on a page that may just be going.
func tryEval[T any](b *tab, expression string, options ...chromedp.EvaluateOption) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, pagePatience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, options...))
}

// open goes to a page and waits until it is alive.
func (b *tab) open(address string) {
	b.t.Helper()
	b.do(chromedp.Navigate(address))
	eventuallyWithin(b.t, pagePatience, "the page is live", func() bool { return eval[string](b, `document.getElementById("link").textContent`) == "live" })
}

// text is the text of an element, by its id.
func (b *tab) text(id string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf(`document.getElementById(%q).textContent.trim()`, id))
}

// press presses keys.
func (b *tab) press(keys string, options ...chromedp.KeyOption) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys, options...))
}

// The keys that the tests press.
const (
	keyTab    = kb.Tab
	keyEnter  = kb.Enter
	keyEscape = kb.Escape
)

// screen sets the size of the screen and its colours, "light" or "dark".
func (b *tab) screen(width, height int64, colours string) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: colours}}})
		return err
	}))
	b.until("the page has the screen", fmt.Sprintf(`window.innerWidth === %d && matchMedia("(prefers-color-scheme: %s)").matches`, width, colours))
}

// scripts turns scripts of pages off or on; it holds from the next page on.
func (b *tab) scripts(on bool) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	}))
}

// shoot keeps a picture of the page, if PGWEIR_TEST_SHOTS names a folder.
func (b *tab) shoot(name string) {
	b.t.Helper()
	dir := os.Getenv("PGWEIR_TEST_SHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, pagePatience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644)
	}
	if err != nil {
		b.t.Error(err)
	}
}

// heard is one thing in the page as assistive technology has it.
type heard struct{ role, name string }

// listen gives what the accessibility tree has, in its order.
func (b *tab) listen() []heard {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pagePatience)
	defer cancel()
	var out []heard
	err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		tree, err := cdp.Call(ctx, t, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		if err != nil {
			return err
		}
		for _, n := range tree.Nodes {
			if !n.Ignored {
				out = append(out, heard{word(n.Role), word(n.Name)})
			}
		}
		return nil
	}))
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func word(v *accessibility.Value) string {
	var s string
	if v != nil {
		_ = json.Unmarshal(v.Value, &s) // what is no word is none
	}
	return s
}

// until waits for a condition in the page, an expression.
func (b *tab) until(what, condition string) {
	b.t.Helper()
	deadline := time.Now().Add(pagePatience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; !eval[bool](b, condition); <-tick.C {
		if time.Now().After(deadline) {
			b.t.Fatalf("not within %v: %s\n%s", pagePatience, what, eval[string](b, `document.body.innerText.slice(0, 2000)`))
		}
	}
}

// has tells whether something is heard.
func has(all []heard, role, name string) bool { return slices.Contains(all, heard{role, name}) }
