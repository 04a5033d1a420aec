package console

import (
	"bufio"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"pgweir/wire"
)

// waiting is a client of the console whose PAUSE waits.
type waiting struct {
	net.Conn
	t   *testing.T
	ctl *fakeControl
	in  *bufio.Reader
	end chan error
}

func waits(t *testing.T, command string) *waiting {
	t.Helper()
	client, server := tcpPair(t)
	w := &waiting{Conn: client, t: t, ctl: &fakeControl{cancels: make(chan struct{}, 1)}, in: bufio.NewReader(client), end: make(chan error, 1)}
	w.ctl.cancels <- struct{}{} // it came too late for what was before
	go func() {
		w.end <- Serve(server, Client{User: "admin", Database: "pgweir", Access: always(Admin)}, w.ctl)
	}()
	w.send(frame('Q', command+"\x00"))
	if typ, body, err := readFrame(w.in); err != nil || typ != 'N' || !strings.Contains(string(body), "waiting for somebody") {
		t.Fatalf("%q %q %v", typ, body, err)
	}
	return w
}

func (w *waiting) send(message []byte) {
	w.t.Helper()
	if _, err := w.Write(message); err != nil {
		w.t.Fatal(err)
	}
}

// answered reads up to the next ReadyForQuery, and gives the types of the messages.
func (w *waiting) answered() string {
	w.t.Helper()
	types := ""
	for !strings.HasSuffix(types, "Z") {
		typ, _, err := readFrame(w.in)
		if err != nil {
			w.t.Fatal(err)
		}
		types += string(rune(typ))
	}
	return types
}

// over checks what the command was told of its end.
func (w *waiting) over(why string) {
	w.t.Helper()
	if calls := w.ctl.takeCalls(); !slices.Contains(calls, "over: "+why) {
		w.t.Errorf("%q, want %q", calls, why)
	}
}

func TestACommandThatWaitsIsCanceled(t *testing.T) {
	w := waits(t, "PAUSE held")
	w.ctl.cancels <- struct{}{}
	if got := w.answered(); got != "EZ" {
		t.Error(got)
	}
	w.over("context canceled")
	// The connection goes on.
	w.send(frame('Q', "SHOW VERSION\x00"))
	if got := w.answered(); got != "TDCZ" {
		t.Error(got)
	}
}

func TestACommandThatWaitsHasItsLimit(t *testing.T) {
	w := waits(t, "PAUSE held WITHIN '10ms'")
	if got := w.answered(); got != "EZ" {
		t.Error(got)
	}
	w.over("context deadline exceeded")
}

func TestACommandThatWaitsEndsWithItsClient(t *testing.T) {
	w := waits(t, "PAUSE held")
	w.Close()
	select {
	case <-w.end:
	case <-time.After(20 * time.Second):
		t.Fatal("it waits on")
	}
	w.over(errGone.Error())
}

func TestACommandThatWaitsEndsWithItsClientsGoodBye(t *testing.T) {
	w := waits(t, "PAUSE held")
	w.send(frame('X', ""))
	select {
	case err := <-w.end:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
	w.over(errGone.Error())
}

func TestWhatIsSentWhileACommandWaitsIsAnsweredAfterwards(t *testing.T) {
	w := waits(t, "PAUSE held")
	w.send(frame('Q', "SHOW VERSION\x00"))
	w.ctl.cancels <- struct{}{}
	if got := w.answered() + w.answered(); got != "EZTDCZ" {
		t.Error(got)
	}
	w.send(wire.AppendTerminate(nil))
	if err := <-w.end; err != nil {
		t.Error(err)
	}
}
