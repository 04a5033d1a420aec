package console

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgweir/status"
	"pgweir/wire"
)

// tcpPair is a connection through the loopback: a pipe tells hanging up and
// being closed apart less well.
func tcpPair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func TestServeReturnsNilWhenTheClientLeaves(t *testing.T) {
	for name, last := range map[string][]byte{"Terminate": wire.AppendTerminate(nil), "hang-up": nil} {
		client, server := tcpPair(t)
		if _, err := client.Write(last); err != nil {
			t.Fatal(err)
		}
		client.Close()
		if err := Serve(server, from("admin", Admin), &fakeControl{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServeReturnsNilWhenWeCloseTheConnection(t *testing.T) {
	_, server := tcpPair(t)
	done := make(chan error, 1)
	go func() { done <- Serve(server, from("admin", Admin), &fakeControl{}) }()
	server.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServeReturnsAnErrorWhenTheClientLeavesInMidMessage(t *testing.T) {
	for _, half := range []string{"Q", "Q\x00\x00", "Q\x00\x00\x00\x10", "Q\x00\x00\x00\x10SHOW"} {
		client, server := tcpPair(t)
		if _, err := io.WriteString(client, half); err != nil {
			t.Fatal(err)
		}
		client.Close()
		if err := Serve(server, from("admin", Admin), &fakeControl{}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v", half, err)
		}
	}
}

func TestAMessageThatDoesNotComeWholeInTimeEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock is synctest's: days pass at once
		client, server := net.Pipe()
		done := make(chan error, 1)
		go func() {
			err := Serve(server, from("admin", Admin), &fakeControl{})
			server.Close()
			done <- err
		}()
		for range 2 { // an idle client is welcome for days
			<-time.After(24 * time.Hour)
			if _, err := client.Write(frame('Q', "SHOW VERSION\x00")); err != nil {
				t.Fatal(err)
			}
			for typ := byte(0); typ != 'Z'; {
				var err error
				if typ, _, err = readFrame(client); err != nil {
					t.Fatal(err)
				}
			}
		}
		start := time.Now()
		written := make(chan struct{})
		go func() {
			defer close(written)
			// A byte a second, until the connection ends.
			for _, c := range frame('Q', strings.Repeat("x", 1000)) {
				if _, err := client.Write([]byte{c}); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		}()
		typ, body, err := readFrame(client)
		if err != nil || typ != 'E' {
			t.Fatalf("%q %v", typ, err)
		}
		if e, err := wire.DecodeError(body); err != nil || e.Severity != "FATAL" || e.Code != wire.CodeProtocolViolation {
			t.Errorf("%v %v", e, err)
		}
		if took := time.Since(start); took != messageTime {
			t.Errorf("it took %v", took)
		}
		if err := <-done; err == nil {
			t.Error("Serve returned nil")
		}
		<-written
	})
}

func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- Serve(server, from("admin", Admin), &fakeControl{}) }()
		start := time.Now()
		if _, err := client.Write(frame('Q', "SHOW POOLS\x00")); err != nil {
			t.Fatal(err)
		}
		var timeout net.Error
		if err := <-done; !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("Serve returned %v", err)
		}
		if took := time.Since(start); took != writeTime {
			t.Errorf("it took %v", took)
		}
		client.Close()
		server.Close()
	})
}

func TestReloadThatFailsSaysWhyWithF0000(t *testing.T) {
	client, _ := serve(t, Admin, &fakeControl{reloadErr: errors.New("config.toml:3: unknown setting")})
	if _, err := client.Write(frame('Q', "RELOAD\x00")); err != nil {
		t.Fatal(err)
	}
	typ, body, err := readFrame(client)
	if err != nil || typ != 'E' {
		t.Fatalf("%q %v", typ, err)
	}
	e, err := wire.DecodeError(body)
	if err != nil || e.Code != wire.CodeConfigFileError || e.Message != "config.toml:3: unknown setting" || e.Severity != "ERROR" {
		t.Errorf("%v %v", e, err)
	}
}

func TestFlushSendsTheAnswersSoFar(t *testing.T) {
	client, _ := serve(t, Admin, &fakeControl{})
	batch := append(frame('P', "\x00SHOW VERSION\x00\x00\x00"), frame('H', "")...)
	if _, err := client.Write(batch); err != nil {
		t.Fatal(err)
	}
	if typ, _, err := readFrame(client); err != nil || typ != '1' {
		t.Errorf("%q %v", typ, err)
	}
}

func TestAClientMayKeepOnlySoManyStatementsAndPortals(t *testing.T) {
	client, _ := serve(t, Admin, &fakeControl{})
	in := bufio.NewReader(client)
	refused := func(batch []byte) bool {
		t.Helper()
		if _, err := client.Write(append(batch, frame('S', "")...)); err != nil {
			t.Fatal(err)
		}
		failed := false
		for {
			typ, body, err := readFrame(in)
			if err != nil {
				t.Fatal(err)
			}
			switch typ {
			case 'Z':
				return failed
			case 'E':
				if e, err := wire.DecodeError(body); err != nil || e.Code != codeLimitExceeded {
					t.Fatalf("%v %v", e, err)
				}
				failed = true
			}
		}
	}
	for i := range maxPrepared {
		if refused(frame('P', fmt.Sprintf("s%d\x00SHOW LISTS\x00\x00\x00", i))) {
			t.Fatalf("statement %d was refused", i)
		}
	}
	if !refused(frame('P', "more\x00SHOW LISTS\x00\x00\x00")) {
		t.Error("there is no limit to statements")
	}
	if refused(append(frame('C', "Ss0\x00"), frame('P', "more\x00SHOW LISTS\x00\x00\x00")...)) {
		t.Error("a statement that was closed counts")
	}
	var batch []byte
	for i := range maxPrepared {
		batch = append(batch, frame('B', fmt.Sprintf("p%d\x00s1\x00\x00\x00\x00\x00\x00\x00", i))...)
	}
	if refused(batch) {
		t.Error("a portal was refused")
	}
	if !refused(append(batch, frame('B', "more\x00s1\x00\x00\x00\x00\x00\x00\x00")...)) {
		t.Error("there is no limit to portals")
	}
}

// manyClients gives a snapshot that is longer than any buffer here.
type manyClients struct{ fakeControl }

func (c *manyClients) Snapshot(d status.Detail) *status.Snapshot {
	s := c.fakeControl.Snapshot(d)
	s.Clients = make([]status.Client, 5000)
	for i := range s.Clients {
		s.Clients[i] = status.Client{Conn: status.Conn{ID: uint64(i + 1), State: "waiting"}}
	}
	return s
}

func TestALongAnswerArrivesWholeAndIsNotGatheredFirst(t *testing.T) {
	client, server := net.Pipe()
	s := newSession(server, from("admin", Admin), &manyClients{})
	done := make(chan error, 1)
	go func() { done <- s.serve() }()
	if _, err := client.Write(frame('Q', "SHOW CLIENTS\x00")); err != nil {
		t.Fatal(err)
	}
	rows := 0
	in := bufio.NewReader(client)
	for {
		typ, _, err := readFrame(in)
		if err != nil {
			t.Fatal(err)
		}
		if typ == 'D' {
			rows++
		}
		if typ == 'Z' {
			break
		}
	}
	client.Close()
	<-done
	if rows != 5000 {
		t.Errorf("%d rows", rows)
	}
	if cap(s.out) > 4*flushAt {
		t.Errorf("the answer was gathered in %d bytes", cap(s.out))
	}
}
