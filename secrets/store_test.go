package secrets

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pgweir/config"
)

// bench is a store with a folder for what it reads and runs.
type bench struct {
	*Store
	t       *testing.T
	dir     string
	changes atomic.Int32
	mu      sync.Mutex
	log     bytes.Buffer
}

func (b *bench) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

func (b *bench) said() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, dir: t.TempDir()}
	b.Store = New(slog.New(slog.NewTextHandler(b, nil)), func() { b.changes.Add(1) })
	t.Cleanup(b.Close)
	return b
}

func (b *bench) write(name, text string) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path+".next", []byte(text), 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// command is a source that prints the file "token", and counts its runs.
func (b *bench) command(ttl time.Duration) config.SecretSource {
	return config.SecretSource{Setting: "s", Command: []string{b.write("prog", "#!/bin/sh\ncd "+b.dir+"\necho run >> runs\ncat token\n")}, Dir: b.dir, TTL: ttl, Timeout: time.Minute}
}

func (b *bench) runs() int {
	data, _ := os.ReadFile(filepath.Join(b.dir, "runs"))
	return strings.Count(string(data), "run")
}

func (b *bench) use(sources ...config.SecretSource) {
	b.t.Helper()
	set, err := b.Prepare(sources)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Commit(set, sources)
}

func (b *bench) eventually(what string, condition func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ; !condition(); <-tick.C {
		if time.Now().After(deadline) {
			b.t.Fatalf("not within 20 s: %s\n%s", what, b.said())
		}
	}
}

func TestACommandIsRunOnceForManyWhoHaveBeenRefused(t *testing.T) {
	b := newBench(t)
	b.write("token", "one\n")
	source := b.command(0)
	b.use(source)
	key := source.Key()
	if got := b.Now(key); got != "one" || b.runs() != 1 {
		t.Fatalf("%q after %d runs", string(got), b.runs())
	}
	b.write("token", "two\n")
	b.eventually("it may be run again", func() bool { _, ok := b.Renew(key, "one"); return ok })
	ran := b.runs()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got, ok := b.Renew(key, "one"); got != "two" || !ok {
				t.Errorf("%q, %v", string(got), ok)
			}
		})
	}
	wg.Wait()
	if n := b.runs(); n != ran {
		t.Errorf("it ran %d times for those who knew only the old one", n-ran)
	}
	begun := time.Now()
	for range 20 { // refused itself: soon after a run there is no other
		if got, ok := b.Renew(key, "two"); ok {
			t.Errorf("%q is given for itself", string(got))
		}
	}
	if n := b.runs(); n > ran+1+int(time.Since(begun)/renewEvery) {
		t.Errorf("it ran %d times", n-ran)
	}
	b.eventually("the change is told of", func() bool { return b.changes.Load() == 1 })
	if _, ok := b.Renew("no such key", "x"); ok {
		t.Error("a source that is not there gives something")
	}
}

func TestACommandIsRunAheadOfTheEndAndTheOldSecretServesWhileItFails(t *testing.T) {
	b := newBench(t)
	go b.Keep()
	b.write("token", "one\n")
	source := b.command(100 * time.Millisecond)
	b.use(source)
	b.eventually("it is run again", func() bool { return b.runs() > 2 })
	b.write("token", "")
	b.eventually("that is told of", func() bool { return strings.Contains(b.said(), "fails; the last one serves") })
	if got := b.Now(source.Key()); got != "one" {
		t.Errorf("%q serves", string(got))
	}
	b.write("token", "two")
	b.eventually("it works again", func() bool { return b.Now(source.Key()) == "two" })
	if n := strings.Count(b.said(), "fails"); n != 1 || !strings.Contains(b.said(), "works again") {
		t.Errorf("the log is %s", b.said())
	}
	// What is not in force any more is asked no more.
	b.use()
	if len(b.held) != 0 || b.Now(source.Key()) != "" {
		t.Error("it is still in force")
	}
}

func TestAFileIsTakenWhenItHasBeenTheSameTwice(t *testing.T) {
	b := newBench(t)
	path := b.write("pw", "one")
	source := config.SecretSource{Setting: "s", File: path, Read: "one"}
	b.use(source)
	e := b.held[source.Key()]
	look := func() config.Secret {
		b.Store.mu.Lock()
		done := b.begin(e, false)
		b.Store.mu.Unlock()
		<-done
		return b.Now(source.Key())
	}
	b.write("pw", "half")
	if got := look(); got != "one" {
		t.Errorf("%q is taken at once", string(got))
	}
	b.write("pw", "whole")
	if got := look(); got != "one" {
		t.Errorf("%q is taken at once", string(got))
	}
	b.eventually("it is taken", func() bool { return look() == "whole" })
	// Refused, it is taken as it is.
	b.write("pw", "newer")
	b.eventually("it is read again", func() bool { got, ok := b.Renew(source.Key(), "whole"); return ok && got == "newer" })
}

func TestWhatACommandMayDo(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ name, script, secret, want string }{
		{"its first line", "echo one; echo two", "one", ""},
		{"no newline", "printf one", "one", ""},
		{"much, within bounds", "echo one; head -c 100000 /dev/zero", "one", ""},
		{"too much", "echo geheim; head -c 1000000 /dev/zero", "", "prints more than 131072 bytes"},
		{"for ever", "echo geheim; yes geheim", "", "prints more than 131072 bytes"},
		{"a long line", "head -c 70000 /dev/zero | tr '\\0' x", "", "longer than 65535 bytes"},
		{"nothing", "true", "", "is empty"},
		{"an exit code", "echo geheim; exit 3", "", "exit status 3"},
		{"it says why", "echo geheim; echo 'no:   token' >&2; echo more >&2; exit 1", "", "exit status 1: no: token more"},
		{"it repeats the password", "set -x; echo geheim; exit 1", "", "exit status 1: + echo ******** + exit 1"},
		{"it says much", "yes why | head -c 1000000 >&2; exit 1", "", "exit status 1: why why"},
		{"too long", "echo geheim; sleep 1000", "", "not ended within password_command_timeout"},
		{"it reads its input", "cat; echo one", "one", ""},
		{"where it runs", "pwd", dir, ""},
		{"it leaves a process", "sleep 3 & echo one", "one", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			timeout := time.Minute
			if c.name == "too long" {
				timeout = 100 * time.Millisecond
			}
			got, err := Run(context.Background(), &config.SecretSource{Command: []string{"/bin/sh", "-c", c.script}, Dir: dir, Timeout: timeout})
			if string(got) != c.secret || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%.50q, %.300v, want %q", string(got), err, c.want)
			}
			if err != nil && (len(err.Error()) > maxComplaint+200 || strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "\n")) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	if _, err := Run(context.Background(), &config.SecretSource{Command: []string{"/no/such/program"}, Timeout: time.Minute}); err == nil || !strings.Contains(fmt.Sprint(err), "no such file") {
		t.Error(err)
	}
}

func TestCloseEndsWhoWaitsForACommandAndTheCommand(t *testing.T) {
	b := newBench(t)
	hangs := config.SecretSource{Setting: "s", Command: []string{b.write("hangs", "#!/bin/sh\ncd "+b.dir+"\necho $$ > pid.next\nmv pid.next pid\nsleep 60\n")}, Dir: b.dir, Timeout: time.Minute}
	ended := make(chan error)
	go func() {
		_, err := b.Prepare([]config.SecretSource{hangs})
		ended <- err
	}()
	pid := 0
	b.eventually("it runs", func() bool {
		data, _ := os.ReadFile(filepath.Join(b.dir, "pid"))
		pid, _ = strconv.Atoi(strings.TrimSpace(string(data)))
		return pid > 0
	})
	b.Close()
	if err := <-ended; err != ErrClosed {
		t.Errorf("Prepare: %v", err)
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("the command is there: %v", err)
	}
	if _, err := b.Prepare([]config.SecretSource{hangs}); err != ErrClosed {
		t.Errorf("Prepare behind Close: %v", err)
	}
}
