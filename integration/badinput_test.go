package integration

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// promptly is how long others may be kept waiting by whatever one client does,
// on a machine that is busy with other tests.
const promptly = 10 * time.Second

// probe asks small queries on a client of its own until the test ends or stop
// is called, and fails the test if one is not answered promptly: whatever else
// goes on, others are served.
func probe(t *testing.T, w *weir) (stop func()) {
	t.Helper()
	conn := connect(t, w.DSN())
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ; ctx.Err() == nil; <-tick.C {
			start := time.Now()
			if err := runSQL(context.Background(), conn, "select 1"); err != nil {
				t.Errorf("the other client: %v", err)
				return
			}
			if took := time.Since(start); took > promptly {
				t.Errorf("the other client was served after %v only, want %v", took, promptly)
			}
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		done.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// length is a frame's header with a length that is not the truth.
func length(typ string, n uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte(typ), n)
}

// TestGarbageBeforeTheLoginEndsThatConnectionOnly: each gets an error with this
// SQLSTATE, and is closed at once; "" is no error.
func TestGarbageBeforeTheLoginEndsThatConnectionOnly(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `client_login_timeout = "2s"`})
	probe(t, w)
	const timedOut, refused = "a timeout", "08P01"
	for what, try := range map[string]struct {
		bytes []byte
		want  string
	}{
		"HTTP":                     {[]byte("GET / HTTP/1.1\r\nHost: db\r\n\r\n"), refused},
		"TLS without SSLRequest":   {[]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), ""}, // there is none, and PostgreSQL says nothing either
		"length 0":                 {length("", 0), refused},
		"length 3":                 {length("", 3), refused},
		"length 7":                 {length("", 7), refused},
		"length 2^31-1":            {length("", 1<<31-1), refused},
		"length 2^31":              {length("", 1<<31), refused},
		"length -1":                {length("", 1<<32-1), refused},
		"length 10005":             {length("", 10005), refused},
		"half a length":            {[]byte{0, 0}, timedOut},
		"half a StartupMessage":    {startupPacket(protocol30, "user", "postgres")[:14], timedOut},
		"nothing":                  {nil, timedOut},
		"no terminator":            {append(length("", 18), "\x00\x03\x00\x00user\x00post\x00"...), refused},
		"a name without a value":   {append(length("", 14), "\x00\x03\x00\x00user\x00\x00"...), refused},
		"bytes behind the end":     {append(length("", 25), "\x00\x03\x00\x00user\x00postgres\x00\x00abc"...), refused},
		"no user":                  {startupPacket(protocol30, "database", w.DB), "28000"},
		"an empty user":            {startupPacket(protocol30, "user", "", "database", w.DB), "28000"},
		"protocol 2.0":             {startupPacket(2<<16, "user", "postgres"), "0A000"},
		"protocol 4.0":             {startupPacket(4<<16, "user", "postgres"), "0A000"},
		"no such database":         {startupPacket(protocol30, "user", "postgres", "database", "nope"), "3D000"},
		"SSLRequest and more":      {append(length("", 8), "\x04\xd2\x16\x2fgarbage that is no startup"...), refused},
		"a long SSLRequest":        {append(length("", 12), "\x04\xd2\x16\x2f\x00\x00\x00\x00"...), refused},
		"a short CancelRequest":    {append(length("", 12), "\x04\xd2\x16\x2e\x00\x00\x00\x01"...), ""},
		"an immense CancelRequest": {append(length("", 9000), "\x04\xd2\x16\x2e\x00\x00\x00\x01"...), ""},
		"a query without a login":  {simpleQuery("select 1"), refused},
		"a good-bye":               {frame('X', ""), ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			start := time.Now() // before pgweir can begin to count
			c := dialWire(t, w.Addr())
			c.send(try.bytes)
			if strings.HasPrefix(what, "SSLRequest") {
				if b, err := c.r.ReadByte(); err != nil || b != 'N' {
					t.Fatalf("an SSLRequest was answered with %q, %v", b, err)
				}
			}
			code := c.ended(promptly)
			switch took := time.Since(start); {
			case try.want == timedOut && (took < 1900*time.Millisecond || code != "08P01"):
				t.Errorf("closed with %q after %v, want client_login_timeout", code, took)
			case try.want != timedOut && code != try.want:
				t.Errorf("closed with %q, want %q", code, try.want)
			}
		})
	}
}

// passwordLogin begins a login that asks for a password, and stops there.
func passwordLogin(t *testing.T, w *weir, user string) *wireClient {
	t.Helper()
	c := dialWire(t, w.Addr())
	c.send(startupPacket(protocol30, "user", user, "database", w.DB))
	c.until('R')
	return c
}

func TestGarbageInPlaceOfAPasswordEndsThatConnectionOnly(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"password", "md5", "scram-sha-256"} {
		w := startWeir(t, weirOptions{
			Top:    fmt.Sprintf("auth_type = %q\nclient_login_timeout = \"2s\"", method),
			Tables: "[users.postgres]\npassword = \"right\"\n",
		})
		for what, garbage := range map[string][]byte{
			"another type":        simpleQuery("select 1"),
			"type 0":              frame(0, ""),
			"length 0":            length("p", 0),
			"length 3":            length("p", 3),
			"length 2^31-1":       length("p", 1<<31-1),
			"length -1":           length("p", 1<<32-1),
			"an empty body":       frame('p', ""),
			"no terminator":       frame('p', "right"),
			"a NUL within":        frame('p', "ri\x00ght\x00"),
			"a long password":     frame('p', strings.Repeat("x", 70_000)+"\x00"),
			"SASL, no length":     frame('p', "SCRAM-SHA-256\x00"),
			"SASL, a wild length": frame('p', "SCRAM-SHA-256\x00\x7f\xff\xff\xffn,,n=,r=abc"),
			"SASL, length -1":     frame('p', "SCRAM-SHA-256\x00\xff\xff\xff\xff"),
			"SASL, no such way":   frame('p', "SCRAM-SHA-1\x00\x00\x00\x00\x0cn,,n=,r=abcd"),
			"SASL, no nonce":      frame('p', "SCRAM-SHA-256\x00\x00\x00\x00\x05n,,n="),
			"half a message":      length("p", 40),
		} {
			c := passwordLogin(t, w, "postgres")
			c.send(garbage)
			switch code := c.ended(promptly); code {
			case "08P01", "28P01", "28000":
			default:
				t.Errorf("%s, %s: closed with %q", method, what, code)
			}
		}
	}
}

func TestGarbageAfterTheLoginEndsThatConnectionOnly(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: `pool_mode = "` + mode + `"`})
			probe(t, w)
			for what, garbage := range map[string][]byte{
				"an unknown type":      frame('z', "abc"),
				"type 0":               frame(0, "abc"),
				"a server's type":      frame('Z', "I"),
				"length 0":             length("Q", 0),
				"length 3":             length("Q", 3),
				"length 2^31-1":        length("S", 1<<31-1),
				"length -1":            length("Q", 1<<32-1),
				"a Sync of a gigabyte": length("S", 1<<30),
				"a startup packet":     startupPacket(protocol30, "user", "postgres"),
				"a password":           frame('p', "x\x00"),
			} {
				for _, first := range []string{"", "begin", "select pg_sleep(0.1)"} {
					c := loginWire(t, w)
					if first != "" {
						c.send(simpleQuery(first))
					}
					c.send(garbage)
					if code := c.ended(promptly); code != "08P01" {
						t.Errorf("%s after %q: closed with %q", what, first, code)
					}
				}
			}
		})
	}
}

// TestMessagesThatPostgreSQLCannotReadGetItsOwnAnswer: what is a frame goes to
// the server, whose errors are the client's; nobody else notices.
func TestMessagesThatPostgreSQLCannotReadGetItsOwnAnswer(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	for what, garbage := range map[string][]byte{
		"a Query without an end":    frame('Q', "select 1"),
		"an empty Query":            frame('Q', ""),
		"a Query with two ends":     frame('Q', "select 1\x00select 2\x00"),
		"an empty Parse":            frame('P', ""),
		"a Parse with many types":   frame('P', "\x00select 1\x00\x7f\xff"),
		"an empty Bind":             frame('B', ""),
		"a Bind with many formats":  frame('B', "\x00\x00\x7f\xff"),
		"a Bind with a wild length": frame('B', "\x00\x00\x00\x00\x00\x01\x7f\xff\xff\xff\x00\x00"),
		"an empty Describe":         frame('D', ""),
		"a Describe of nothing":     frame('D', "X\x00"),
		"an empty Execute":          frame('E', ""),
		"an empty Close":            frame('C', ""),
		"an empty FunctionCall":     frame('F', ""),
		"a Sync with a body":        frame('S', "abc"),
		"CopyData out of place":     frame('d', "abc"),
		"CopyFail without an end":   frame('f', "abc"),
	} {
		answer := func(addr string) (types, code string) {
			c := dialWire(t, addr)
			c.login(protocol30, "user", "postgres", "database", w.DB)
			c.send(garbage)
			c.send(frame('S', ""))
			c.send(simpleQuery("select 2"))
			c.send(frame('X', ""))
			for {
				typ, body, err := c.read()
				if err != nil {
					return types, code
				}
				types += string(typ)
				if typ == 'E' {
					code += errorFields(body)['C'] + " "
				}
			}
		}
		directTypes, directCode := answer(fmt.Sprintf("127.0.0.1:%d", w.PG.Port))
		types, code := answer(w.Addr())
		if types != directTypes || code != directCode {
			t.Errorf("%s: the answers are %s (%s), directly they are %s (%s)", what, types, code, directTypes, directCode)
		}
	}
	conn := connect(t, w.DSN())
	servedWithin(t, conn, promptly)
}

func TestAClientThatSendsAByteATimeTakesNoBackendAndIsLimitedOnlyInItsLogin(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `client_login_timeout = "2s"`, Database: "pool_size = 1"})
	probe(t, w)
	drip := func(c *wireClient, p []byte, pause time.Duration) error {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for i := range p {
			if err := c.write(p[i : i+1]); err != nil {
				return err
			}
			<-tick.C
		}
		return nil
	}
	slow := dialWire(t, w.Addr())
	go func() {
		_ = drip(slow, startupPacket(protocol30, "user", "postgres", "database", w.DB), 200*time.Millisecond)
	}()
	if code := slow.ended(promptly); code != "08P01" {
		t.Errorf("the slow login was closed with %q", code)
	}
	in := loginWire(t, w)
	if err := drip(in, simpleQuery("select 1 /* at leisure */"), 40*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if code, err := in.answer(); code != "" || err != nil {
		t.Errorf("the slow query: %q, %v", code, err)
	}
}

// TestHalfSentQueriesStarveNobody: as many clients as the pool has backends
// have each sent the beginning of a query.
func TestHalfSentQueriesStarveNobody(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 5"})
	full := simpleQuery("select 7 /*" + strings.Repeat("x", 60<<10) + "*/")
	var halves []*wireClient
	for i := range 5 {
		c := loginWire(t, w)
		c.send(full[:1+i*len(full)/5])
		halves = append(halves, c)
	}
	console := connect(t, w.Console())
	for range 8 {
		conn := connect(t, w.DSN())
		must(t, conn, "begin") // so that all five backends are seen to be there
		must(t, conn, "commit")
	}
	holders := make([]*pgx.Conn, 5)
	for i := range holders {
		holders[i] = connect(t, w.DSN())
		must(t, holders[i], "begin")
	}
	if row := poolRow(t, w, console); row["sv_active"] != "5" || row["cl_waiting"] != "0" {
		t.Errorf("with five transactions and five half-sent queries: %v", row)
	}
	for _, h := range holders {
		must(t, h, "commit")
	}
	for i, c := range halves {
		c.send(full[1+i*len(full)/5:])
		if code, err := c.answer(); code != "" || err != nil {
			t.Errorf("the rest of a half-sent query: %q, %v", code, err)
		}
	}
}

// TestALongMessageThatStallsIsEnded: one that is too long to be kept has a
// backend, and so may not stand still.
func TestALongMessageThatStallsIsEnded(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `client_message_timeout = "3s"`, Database: "pool_size = 1"})
	long := simpleQuery("select length('" + strings.Repeat("x", 1<<20) + "')")
	stalls, slow := loginWire(t, w), loginWire(t, w)
	conn := connect(t, w.DSN())
	stalls.send(long[:200<<10])
	if code := stalls.ended(promptly); code != "08P01" {
		t.Errorf("closed with %q", code)
	}
	servedWithin(t, conn, promptly)
	// One that comes slowly, but comes, is no offence, if it takes longer than
	// the timeout in all.
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for rest := long; len(rest) > 0; <-tick.C {
		n := min(len(rest), 1<<20/8)
		slow.send(rest[:n])
		rest = rest[n:]
	}
	if code, err := slow.answer(); code != "" || err != nil {
		t.Errorf("the long message that came slowly: %q, %v", code, err)
	}
}

func TestAClientThatNeverReadsHoldsUpNobodyForLong(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{
		Top:      "client_message_timeout = \"1s\"\nquery_wait_timeout = \"60s\"",
		Database: "pool_size = 1",
	})
	direct := connect(t, w.Direct())
	lazy := loginWire(t, w)
	lazy.send(simpleQuery("select repeat('x', 10000) from generate_series(1, 100000)"))
	running(t, w, direct, "select repeat", 1)
	other := connect(t, w.DSN())
	servedWithin(t, other, promptly)
	running(t, w, direct, "select repeat", 0)
	if peak := w.peakMemory(t); peak > 200<<20 {
		t.Errorf("pgweir took %d MB", peak>>20)
	}
	// Nor does one that asks and asks: what it is to be told is not heaped up.
	eager := loginWire(t, w)
	before := w.peakMemory(t)
	asked := make(chan int)
	go func() {
		n := 0
		_ = eager.conn.SetWriteDeadline(time.Now().Add(3 * time.Second))
		for query := simpleQuery("select repeat('x', 1000)"); ; n++ {
			if _, err := eager.conn.Write(query); err != nil {
				asked <- n
				return
			}
		}
	}()
	n := <-asked
	if grown := w.peakMemory(t) - before; grown > 100<<20 {
		t.Errorf("pgweir took %d MB more for a client that asked %d times and read nothing", grown>>20, n)
	}
	// PostgreSQL works off what it has been sent before it sees that it may end.
	start := time.Now()
	servedWithin(t, other, time.Minute)
	t.Logf("asked %d times; the other client was served after %v", n, time.Since(start))
}

// TestASlowReaderGetsAllOfItsResultWhenNobodyWaits: standing still is an
// offence against others only.
func TestASlowReaderGetsAllOfItsResultWhenNobodyWaits(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `client_message_timeout = "1s"`, Database: "pool_size = 2"})
	// Both backends are there already: nobody has to wait while one is opened.
	one, two := connect(t, w.DSN()), connect(t, w.DSN())
	for _, sql := range []string{"begin", "commit"} {
		must(t, one, sql)
		must(t, two, sql)
	}
	stop := probe(t, w)
	slow := loginWire(t, w)
	const rows = 30_000
	slow.send(simpleQuery(fmt.Sprintf("select repeat('x', 1000) from generate_series(1, %d)", rows)))
	slow.until('T')
	pause := time.NewTimer(2500 * time.Millisecond) // longer than the timeout
	<-pause.C
	stop()
	got := 0
	for {
		typ, body := slow.next()
		if typ == 'D' && len(body) == 2+4+1000 {
			got++
		}
		if typ == 'Z' {
			break
		}
	}
	if got != rows {
		t.Errorf("%d whole rows, want %d", got, rows)
	}
}

func TestAStartupPacketMayHaveTenThousandBytesAndNoMore(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	packet := func(total int) []byte {
		base := startupPacket(protocol30, "user", "postgres", "database", w.DB, "application_name", "")
		return startupPacket(protocol30, "user", "postgres", "database", w.DB, "application_name", strings.Repeat("a", total-len(base)))
	}
	c := dialWire(t, w.Addr())
	c.send(packet(10_004))
	c.until('Z')
	c = dialWire(t, w.Addr())
	c.send(packet(10_005))
	if code := c.ended(promptly); code != "08P01" {
		t.Errorf("one that is too long: %q", code)
	}
}

func TestClientsBeyondMaxClientConnAreToldSo(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "max_client_conn = 3"})
	var clients []*wireClient
	for range 3 {
		clients = append(clients, loginWire(t, w))
	}
	c := dialWire(t, w.Addr())
	c.send(startupPacket(protocol30, "user", "postgres", "database", w.DB))
	typ, body := c.next()
	fields := errorFields(body)
	if typ != 'E' || fields['C'] != "53300" || fields['S'] != "FATAL" || !strings.Contains(fields['M'], "max_client_conn") {
		t.Errorf("got %q %v", typ, fields)
	}
	c.ended(promptly)
	for _, in := range clients {
		if code, err := in.roundTrip("select 1"); code != "" || err != nil {
			t.Errorf("a client that is in: %q, %v", code, err)
		}
	}
	clients[0].vanish(false)
	eventually(t, "a place is free again", func() bool {
		conn, err := net.Dial("tcp", w.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := conn.Write(startupPacket(protocol30, "user", "postgres", "database", w.DB)); err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 1)
		_, err = io.ReadFull(conn, first)
		return err == nil && first[0] == 'R'
	})
}

// TestManyConnectionsThatSayNothingLeaveRoomForOthers: they are closed when
// client_login_timeout is over, and count as clients until then.
func TestManyConnectionsThatSayNothingLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `client_login_timeout = "1s"`})
	probe(t, w)
	var silent []*wireClient
	for range 500 {
		silent = append(silent, dialWire(t, w.Addr()))
	}
	for _, c := range silent {
		c.ended(promptly)
	}
}
