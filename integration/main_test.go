package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// What all tests share; made once by TestMain and not changed after.
var (
	program  string           // the built pgweir
	programs cluster.Programs // PostgreSQL's
	shared   *cluster.Cluster // the server of every test that does not break it
)

// sharedConnections is max_connections of the shared server. Tests run side by
// side, so each should do with a few dozen.
const sharedConnections = 300

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	raiseFileLimit()
	if programs, err = cluster.Find(os.Getenv("PGWEIR_TEST_PG_BIN")); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "pgweir-build-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if program, err = build(dir); err != nil {
		return 0, err
	}
	shared, err = cluster.Start(context.Background(), programs, cluster.Options{Settings: map[string]string{
		"max_connections":       fmt.Sprint(sharedConnections),
		"max_wal_senders":       "10",
		"wal_level":             "logical",
		"max_replication_slots": "10",
		"autovacuum":            "off",
		"logging_collector":     "off",
		"deadlock_timeout":      "100ms",
		// Big COPYs should not wait for checkpoints.
		"max_wal_size": "4GB",
	}})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, shared.Close()) }()
	if err := makeRoles(); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// makeRoles makes the roles that tests are run as beside the superuser.
func makeRoles() error {
	conn, err := pgx.Connect(context.Background(), shared.DSN("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	return runSQL(context.Background(), conn, "create role "+bareRole+" login; create role "+ordinaryRole+" login; grant pg_monitor, pg_read_all_data to "+ordinaryRole)
}

// build makes the program as a release is made, or with the race detector.
func build(dir string) (string, error) {
	path := filepath.Join(dir, "pgweir")
	args := []string{"build", "-o", path}
	if os.Getenv("PGWEIR_TEST_RACE") == "1" {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "pgweir/cmd/pgweir")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// raiseFileLimit takes all descriptors that can be had. The tests that need
// many say so themselves if these are too few.
func raiseFileLimit() {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}
