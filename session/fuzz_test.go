package session

import (
	"strings"
	"testing"
	"unsafe"
)

// fuzzConfigs are what the first byte of an input chooses from.
var fuzzConfigs = []*Config{
	&transactionMode, &unwatched, &statementMode, &sessionMode,
	&unnamedOnly, &pinMode, &tight,
}

// tight has little room, and checks everything.
var tight = Config{
	Mode: TransactionMode, State: StateTrack, Listen: ListenReject, MaxPrepared: 1, MaxPinned: 1, LeakCheck: 1, User: "postgres",
}

// within tells whether p lies inside of one of the buffers.
func within(p []byte, buffers ...[]byte) bool {
	if len(p) == 0 {
		return true
	}
	for _, b := range buffers {
		if b = b[:cap(b)]; len(b) == 0 {
			continue
		}
		from, at := uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&p[0]))
		if at >= from && at+uintptr(len(p)) <= from+uintptr(len(b)) {
			return true
		}
	}
	return false
}

// fed checks what one step has said. in is what it was given, gathered what the
// session had kept of before, n what it took of in, and most how many bytes it
// may say of its own.
func (r *rig) fed(in, gathered []byte, n, most int) {
	r.t.Helper()
	if n < 0 || n > len(in) {
		r.t.Fatalf("%d of %d bytes were consumed", n, len(in))
	}
	for _, g := range []*gather{&r.o.ToServer, &r.o.ToClient} {
		b := g.Bytes()
		if !within(b, in, gathered, g.copied[:cap(g.copied)]) {
			r.t.Fatal("bytes from elsewhere are sent")
		}
		if len(b) > len(in)+most {
			r.t.Fatalf("%d bytes are sent for %d that came", len(b), len(in))
		}
	}
}

// lengthen makes 40,000 bytes of each of the first bytes f5, so that short inputs reach what
// only long messages do.
func lengthen(stream []byte) string {
	return strings.Replace(string(stream[:min(len(stream), 4<<10)]), "\xf5", strings.Repeat("x", 40_000), 4)
}

// cutAt is a way to cut that an input's second byte chooses.
func cutAt(b byte) func(int) int {
	return func(n int) int { return min(n, 1+int(b)) }
}

// benign answers every message that has come whole as if all went well, and
// returns what has not. It never starts a copy or a block.
func benign(stream string) (answers, rest string) {
	all, rest := frames(stream)
	for _, m := range all {
		switch m[0] {
		case 'Q':
			if strings.Contains(m, "pg_catalog.pg_settings") {
				answers += columns + nobodyElse() + setting("work_mem", "1024")
			}
			answers += complete("SELECT 1") + ready('I')
		case 'F':
			answers += returned + ready('I')
		case 'S':
			answers += ready('I')
		case 'P':
			answers += parsed
		case 'B':
			answers += bound
		case 'D':
			answers += noData
		case 'E':
			answers += complete("SELECT 1")
		case 'C':
			answers += closed
		}
	}
	return answers, rest
}

// FuzzClient feeds anything at all as a client's bytes to a session with a
// benign backend. What reaches the backend are whole messages, but for the
// last.
func FuzzClient(f *testing.F) {
	for _, burst := range []string{
		query("select 1"),
		query("begin") + query("select 1") + terminate,
		parse("", "select 1") + bind("", "") + describe("P", "") + execute("", 0) + syncing,
		parse("s", "select 1") + flush + syncing,
		query("copy t from stdin") + copyData("1\n") + copyDone,
		call("a") + closing("S", "") + copyFail("x"),
		parse("s", "select 1") + parse("t", "select 2") + syncing + bind("", "s") + describe("S", "t") + execute("", 0) + closing("S", "s") + syncing,
		parse("s", "select 1") + syncing + query("deallocate s") + query("execute t; deallocate all") + query("prepare s as select 1"),
		query("listen a") + query("unlisten a; set work_mem = 1; reset all; discard all") + query("select pg_advisory_lock(1), lastval()"),
		parse("s", "set my.x = 1") + bind("", "s") + execute("", 0) + syncing + query("do $$begin perform set_config('a.b', 'c', false); end$$"),
		"Q\x00\x00\x00\x03", "B\x00\x00\x00\x04", "P\x00\x00\x00\x05x", "D\x00\x00\x00\x05S",
		"Q\x3f\xff\xff\xff\xf5\xf5\xf5", "P\x00\x01\x38\x84\x00\xf5\xf5" + syncing, "P\x00\x01\x38\x83\xf5\xf5" + syncing,
	} {
		for mode := range byte(7) {
			f.Add(mode, byte(40), []byte(burst))
		}
	}
	f.Fuzz(func(t *testing.T, mode, cut byte, stream []byte) {
		r := newRig(t, fuzzConfigs[int(mode)%len(fuzzConfigs)])
		r.cut = cutAt(cut)
		if r.s.Mode() == SessionMode {
			r.lease()
		}
		said, pending := 0, ""
		long := lengthen(stream)
		for rest := long; rest != "" && r.s.Phase() != Ended; {
			n := r.next(len(rest))
			r.fromClient += rest[:n]
			rest = rest[n:]
			in := buffer(r.fromClient)
			var gathered []byte
			if r.s.extra != nil {
				gathered = r.s.extra.gathered
			}
			n = r.s.Client(in, &r.o)
			// Of its own it says an error, a question, and for each message,
			// which has five bytes at least, a ReadyForQuery, or a Bind in place
			// of a Parse, or the unnamed statement again.
			r.fed(in, gathered, n, 2000+len(gathered)+len(in)/5*(100+len(r.s.unnamedParse)))
			r.fromClient = r.fromClient[n:]
			r.took()
			scribble(in)
			if len(r.fromClient) > MaxMessage+256+4<<10 {
				t.Fatalf("%d bytes are held back", len(r.fromClient))
			}
			if r.need {
				r.need = false
				if cut%3 == 0 {
					r.refuse(errTimeout)
				} else {
					r.lease()
				}
			}
			pending += r.toServer
			if r.drop {
				pending = ""
			}
			r.toServer = ""
			if cut%5 != 0 { // else nothing is ever answered
				for pending != "" && r.s.Phase() == Active {
					var answers string
					had := len(pending)
					answers, pending = benign(pending)
					r.server(answers)
					pending += r.toServer
					r.toServer = ""
					if len(pending) == had {
						break
					}
				}
			}
			if len(pending) > 0 && r.s.Phase() == Idle {
				t.Fatalf("a backend is released with half a message: %s", show(pending))
			}
			said += len(r.toClient)
			r.toClient, r.release, r.drop = "", false, false
		}
		if said > 200+6*len(long)/5*20 {
			t.Fatalf("%d bytes are said to a client that sent %d", said, len(long))
		}
		before := r.s.Phase()
		r.s.Gone(&r.o)
		ends := r.o.Wants(EffectRelease) || r.o.Wants(EffectDrop) || r.o.Wants(EffectDropBusy)
		r.release, r.drop = false, false
		r.took()
		if before == Active && !ends && r.s.Phase() != Resetting && !r.s.isLeaving() {
			t.Fatal("a client has gone and kept its backend")
		}
	})
}

// FuzzServer feeds anything at all as a server's bytes to a client that has
// asked much.
func FuzzServer(f *testing.F) {
	for _, s := range []string{
		columns + row("1") + complete("SELECT 1") + ready('I'),
		parsed + bound + noData + complete("BEGIN") + ready('T'),
		parsed + failure("42601", "no") + ready('E'),
		copyIn + copyOut + copyBoth + copyData("1") + copyDone,
		notice("x") + notified + reported("TimeZone", "CET") + fatal("57P01", "x"),
		parsed + noParams + columns + bound + columns + parsed + noParams + columns + bound + complete("SELECT 1") + ready('I'),
		parsed + noParams + "T\x00\x00\x00\x06\xff\xff" + bound + "T\x00\x01\x38\x84\xf5\xf5" + parsed + noParams + noData + failure("26000", refusedName) + ready('I'),
		closed + noParams + empty + suspended + returned + ready('I') + ready('I'),
		"Z\x00\x00\x00\x04", "D\x00\x00\x00\x03", "E\x00\x00\x00\x05x", "S\x00\x01\x00\x00x", "Z\x7f\xff\xff\xfe", "D\xff\xff\xff\xff",
		"D\x00\x01\x38\x84\xf5\xf5" + ready('I'), "E\x00\x01\x38\x84\xf5\xf5" + ready('I'), "Z\x00\x01\x38\x84\xf5\xf5",
		strings.Repeat(ready('I'), 20), strings.Repeat(copyIn, 20),
	} {
		for asked := range byte(36) {
			f.Add(asked, byte(40), []byte(s))
		}
	}
	questions := []string{
		query("listen a"),
		parse("", "select 1") + bind("", "") + describe("P", "") + execute("", 0) + closing("S", "") + syncing + query("select 1"),
		parse("s", "select 1") + bind("", "s") + syncing + query("copy t from stdin") + syncing + copyDone + call("a"),
		query("select 1") + terminate,
		parse("s", "select 1") + bind("", "s") + describe("P", "") + execute("", 0) + syncing,
		query("set my.x = 1"), query("select pg_advisory_lock(1)"), query("begin; deallocate s"),
		parse("u", "select 2") + describe("S", "u") + bind("", "u") + describe("P", "") + bind("", "told") + execute("", 0) + syncing,
	}
	f.Fuzz(func(t *testing.T, asked, cut byte, stream []byte) {
		r := newRig(t, fuzzConfigs[int(asked)%len(fuzzConfigs)])
		r.cut = cutAt(cut)
		if asked%3 == 0 {
			r.s.vars = r.s.vars.With(0, "mine")
		}
		if r.s.Mode() == SessionMode {
			r.lease()
		}
		if r.s.sharing() {
			st := r.s.config.Shared.Statements.Get(r.s.reading(), r.s.reading(), []byte("select 3\x00\x00\x00"))
			r.s.ownNames()
			r.s.byName["told"] = &named{st: st, columns: 99}
		}
		r.client(questions[int(asked/4)%len(questions)])
		if r.need {
			r.lease()
		}
		switch asked / 16 % 4 {
		case 1:
			r.s.tx = 'T'
			r.s.owed.Clear()
			r.s.Gone(&r.o)
			r.took()
		case 2:
			r.server(columns + complete("SELECT 1") + ready('I'))
		}
		r.toClient = ""
		reached := 0
		long := lengthen(stream)
		for rest := long; rest != "" && (r.s.Phase() == Active || r.s.Phase() == Resetting); {
			n := r.next(len(rest))
			r.fromServer += rest[:n]
			rest = rest[n:]
			in := buffer(r.fromServer)
			n = r.s.Server(in, &r.o)
			r.fed(in, nil, n, 4000)
			r.fromServer = r.fromServer[n:]
			r.took()
			scribble(in)
			if len(r.fromServer) > maxDecoded+256+4<<10 {
				t.Fatalf("%d bytes are held back", len(r.fromServer))
			}
			reached += len(r.toClient)
			r.toClient = ""
		}
		if reached > 4000+len(long)*3 {
			t.Fatalf("%d bytes reach the client of %d that the server sent", reached, len(long))
		}
		switch p := r.s.Phase(); {
		case p == Active || p == Resetting:
			r.release, r.drop = false, false
			r.s.Lost(&r.o)
			r.took()
			if !r.drop {
				t.Fatal("a backend has gone, and its lease has not ended")
			}
		case !r.release && !r.drop:
			t.Fatalf("phase %d has no backend, and the lease has not ended", p)
		}
	})
}
