package pgbouncer

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// FuzzImport feeds any bytes as a file and as what it includes: the answer is problems
// of one line each, on lines that are there, or a config.toml in which no line of the
// file is missing, and which is the same configuration as the one that is served.
func FuzzImport(f *testing.F) {
	for _, name := range []string{"operator.ini", "everything.ini"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		// In pieces, as long inputs are slow to be cut down.
		for lines := range slices.Chunk(strings.Split(string(data), "\n"), 8) {
			f.Add([]byte("[pgbouncer]\n"+strings.Join(lines, "\n")), []byte("[users]\nann = pool_size=0\n"))
		}
	}
	f.Add([]byte("[pgbouncer]\npool_mode=session\n%include x\n[pgbouncer]\nverbose=0x1"), []byte("[databases]\n'${A}' = user=a password='\"\\'\n'${A}'="))
	f.Fuzz(func(t *testing.T, data, included []byte) {
		read := func(path string) ([]byte, error) {
			switch path {
			case "a.ini":
				return data, nil
			case "x":
				return included, nil
			}
			return nil, fs.ErrNotExist
		}
		tr := translate("a.ini", "/nowhere", read)
		lines := map[string]int{
			"a.ini": strings.Count(string(data), "\n") + 1,
			"x":     strings.Count(string(included), "\n") + 1,
		}
		for _, p := range append(tr.problems, tr.refused...) {
			if p.Line < 0 || p.Line > lines[p.File] || strings.Contains(p.Text, "\n") {
				t.Errorf("%#v", p)
			}
		}
		if len(tr.problems) > 0 {
			return
		}
		text := tr.text()
		kept(t, tr, readINI("a.ini", read), text)
		alike(t, tr, text)
	})
}
