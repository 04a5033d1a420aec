package proctable

import (
	"strings"
	"testing"
	"time"
)

const tail = " S 17 18 18 0 -1 4194560 880 0 0 0 123 45 0 0 20 0 1 0 987654 229687296 3421 18446744073709551615 0"

func TestAStatLineIsReadWhateverTheNameHolds(t *testing.T) {
	for _, name := range []string{"postgres", "a) b (c", ") R 1 2", "", "tmux: server"} {
		p, err := parseStat([]byte("4711 (" + name + ")" + tail))
		want := Process{PID: 4711, Parent: 17, Name: name, State: 'S', CPU: 1680 * time.Millisecond, Birth: 987654}
		if err != nil || p != want {
			t.Errorf("%q: %+v, %v", name, p, err)
		}
	}
}

func TestAStatLineThatIsNoneIsAnError(t *testing.T) {
	for _, line := range []string{
		"", "4711", "4711 postgres S 17", "4711 (postgres", ") 4711 (", "(postgres)" + tail,
		"4711 (postgres) S 17 18", "x (postgres)" + tail, "4711 (postgres)" + strings.Replace(tail, " S ", " SS ", 1),
		"4711 (postgres)" + strings.Replace(tail, "987654", "-1", 1),
		"4711 (postgres)" + strings.Replace(tail, " 17 ", " x ", 1),
	} {
		if p, err := parseStat([]byte(line)); err == nil {
			t.Errorf("%q: %+v", line, p)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("4711 (postgres)" + tail))
	f.Add([]byte("1 ()) Z 0"))
	f.Fuzz(func(t *testing.T, line []byte) {
		p, err := parseStat(line)
		if err != nil {
			if p != (Process{}) {
				t.Errorf("an error and %+v", p)
			}
			return
		}
		if p.PID < 0 || p.Parent < 0 || !strings.Contains(string(line), "("+p.Name+")") {
			t.Errorf("%q: %+v", line, p)
		}
	})
}
