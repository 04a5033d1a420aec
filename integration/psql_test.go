package integration

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// psql runs the installed psql and gives what it writes to both outputs,
// without the last line's end. Errors of SQL are in the text.
func psql(t *testing.T, dsn string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "psql", append([]string{"-X", "-d", dsn}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "PGCONNECT_TIMEOUT=20")
	if err := cmd.Run(); err != nil {
		t.Fatalf("psql: %v\n%s", err, out.String())
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func TestPsqlShowsTheSameWithAndWithoutPgweir(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: `pool_mode = "` + mode + `"`, Database: "pool_size = 2"})
			want := psql(t, w.Direct(), "-a", "-f", "testdata/tour.sql")
			for range 2 {
				if got := psql(t, w.DSN(), "-a", "-f", "testdata/tour.sql"); got != want {
					t.Errorf("differs behind\n%s", differing(want, got))
				}
			}
			if !strings.Contains(want, "P0042") || len(want) < 5000 {
				t.Errorf("the tour was short:\n%s", want)
			}
		})
	}
}
