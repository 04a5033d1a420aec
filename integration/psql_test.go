package integration

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// psqlCommand is the installed psql, on the libpq of the folder PGWEIR_TEST_LIBPQ if that
// is set: a newer one, which knows more ways to log in.
func psqlCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "psql", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "PGCONNECT_TIMEOUT=20")
	if dir := os.Getenv("PGWEIR_TEST_LIBPQ"); dir != "" {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+dir)
	}
	return cmd
}

var psqlParameters sync.Map // what psqlKnows has found out

// psqlKnows tells whether psql's libpq knows a parameter.
func psqlKnows(t *testing.T, parameter string) bool {
	t.Helper()
	if knows, ok := psqlParameters.Load(parameter); ok {
		return knows.(bool)
	}
	out, _ := psqlCommand(t, "-d", "host=/nowhere "+parameter+"=x", "-c", "").CombinedOutput()
	knows := !strings.Contains(string(out), "invalid connection option")
	if knows && !strings.Contains(string(out), "invalid "+parameter) {
		t.Fatalf("psql says of %s: %s", parameter, out)
	}
	psqlParameters.Store(parameter, knows)
	return knows
}

// psql runs the installed psql and gives what it writes to both outputs,
// without the last line's end. Errors of SQL are in the text.
func psql(t *testing.T, dsn string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := psqlCommand(t, append([]string{"-X", "-d", dsn}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
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
