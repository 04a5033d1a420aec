package integration

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"pgweir/cluster"
)

func TestAnAbstractSocketIsReachedAndReaches(t *testing.T) {
	t.Parallel()
	name := fmt.Sprintf("@weir-test-%d", os.Getpid())
	pg := startCluster(t, cluster.Options{Settings: map[string]string{"unix_socket_directories": name + "-pg"}})
	w := startWeir(t, weirOptions{
		Cluster: pg, DB: "postgres", Top: fmt.Sprintf("unix_socket_dir = %q\nunix_socket_mode = \"0700\"\ncensus_user = \"postgres\"\ncensus_interval = \"200ms\"", name),
		Database: fmt.Sprintf("host = %q", name+"-pg"),
	})
	const sql = "select coalesce(host(inet_client_addr()), 'by a socket')"
	if got := psql(t, w.DSN(), "-h", name, "-Atc", sql); got != "by a socket" {
		t.Errorf("through pgweir: %s", got)
	}
	if got := psql(t, w.Console(), "-h", name, "-Atc", "show servers"); !strings.Contains(got, "|unix|"+strconv.Itoa(pg.Port)+"|") {
		t.Errorf("the server is shown as %s", got)
	}
	socket := name + "/.s.PGSQL." + strconv.Itoa(w.Port)
	if !strings.Contains(w.Log(), "addr="+socket) {
		t.Errorf("%s is not in the log", socket)
	}
	eventually(t, "the census has asked the server", func() bool {
		return ask(t, connect(t, pg.DSN("postgres")), "select count(*) from pg_stat_activity where application_name = 'pgweir census' and client_addr is null") == "1"
	})
	files, err := os.ReadDir(w.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name(), "@") || strings.HasPrefix(f.Name(), ".s.") {
			t.Errorf("there is a file %s", f.Name())
		}
	}
}
