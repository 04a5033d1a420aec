package integration

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// weirMemory is what pgweir may use at most in the midst of a gigabyte, in KB.
const weirMemory = 100 << 10

// residentMemory is a process's resident memory, in KB.
func residentMemory(t *testing.T, pid int) int { return memory(t, pid, "VmRSS") }

func memory(t *testing.T, pid int, field string) int {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(field + `:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Fatalf("no %s in the status of process %d", field, pid)
	}
	kb, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kb
}

// rowsOf reads as n rows of a kilobyte each.
type rowsOf struct {
	n    int
	row  []byte
	rest []byte
}

func (r *rowsOf) Read(p []byte) (int, error) {
	total := 0
	for total < len(p) {
		if len(r.rest) == 0 {
			if r.n == 0 {
				break
			}
			r.n--
			r.rest = r.row
		}
		n := copy(p[total:], r.rest)
		r.rest = r.rest[n:]
		total += n
	}
	if total == 0 {
		return 0, io.EOF
	}
	return total, nil
}

type counter struct{ n int }

func (c *counter) Write(p []byte) (int, error) { c.n += len(p); return len(p), nil }

func TestAGigabyteIsCopiedBothWaysInLittleMemory(t *testing.T) {
	t.Parallel()
	const rows = 1 << 20 // of a kilobyte
	w := startWeir(t, weirOptions{})
	conn, err := pgconn.Connect(t.Context(), w.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	must(t, connect(t, w.DSN()), "create unlogged table bulk (text text)")
	row := append(bytes.Repeat([]byte("r"), 1023), '\n')
	// All of it is read and parsed; the last row alone is kept.
	last := "the last row" + strings.Repeat(".", 1023-12)
	tag, err := conn.CopyFrom(t.Context(), io.MultiReader(&rowsOf{n: rows, row: row}, strings.NewReader(last+"\n")),
		"copy bulk from stdin where text like 'the last%'")
	if err != nil || tag.RowsAffected() != 1 {
		t.Errorf("in: %v, %v", tag, err)
	}
	if got := ask(t, connect(t, w.DSN()), "select text from bulk"); got != last {
		t.Errorf("the last row is %q", got)
	}
	in := memory(t, w.PID(), "VmHWM")
	var c counter
	if _, err := conn.CopyTo(t.Context(), &c, fmt.Sprintf("copy (select repeat('o', 1023) from generate_series(1, %d)) to stdout", rows)); err != nil || c.n != rows<<10 {
		t.Errorf("out: %d bytes, %v", c.n, err)
	}
	most := memory(t, w.PID(), "VmHWM")
	t.Logf("pgweir took %d KB at most on the way in, %d KB after the way out", in, most)
	if most > weirMemory {
		t.Errorf("pgweir took %d KB", most)
	}
}

func TestAValueOf300MBPassesBothWaysInLittleMemory(t *testing.T) {
	t.Parallel()
	const size = 300_000_000
	w := startWeir(t, weirOptions{})
	conn, err := pgconn.Connect(t.Context(), w.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rd := conn.ExecParams(t.Context(), fmt.Sprintf("select repeat('0123456789', %d)", size/10), nil, nil, nil, nil)
	for rd.NextRow() {
		v := rd.Values()[0]
		if len(v) != size || string(v[size-10:]) != "0123456789" {
			t.Errorf("%d bytes came, ending in %q", len(v), v[max(0, len(v)-10):])
		}
	}
	if _, err := rd.Close(); err != nil {
		t.Error(err)
	}
	value := bytes.Repeat([]byte("abcdefghij"), size/10)
	r := conn.ExecParams(t.Context(), "select length(p), substring(p from length(p) - 9) from (select $1::bytea) as t(p)", [][]byte{value}, nil, []int16{1}, []int16{0, 1}).Read()
	if r.Err != nil || len(r.Rows) != 1 || string(r.Rows[0][0]) != strconv.Itoa(size) || string(r.Rows[0][1]) != "abcdefghij" {
		t.Errorf("%v, %d rows", r.Err, len(r.Rows))
	}
	most := memory(t, w.PID(), "VmHWM")
	t.Logf("pgweir took %d KB at most", most)
	if most > weirMemory {
		t.Errorf("pgweir took %d KB", most)
	}
}
