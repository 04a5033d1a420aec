package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// server is a throwaway PostgreSQL on port 5432 of this network. The program's module has
// a package for that, which is not imported: go.mod here would change with each of its
// libraries.
type server struct {
	SocketDir string // it belongs to the user that PostgreSQL runs as
	cmd       *exec.Cmd
}

// postgresFolder is where the newest initdb is.
func postgresFolder() (string, error) {
	if dir := os.Getenv("PGWEIR_TEST_PG_BIN"); dir != "" {
		return dir, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err == nil && len(found) == 0 {
		err = errors.New("there is no /usr/lib/postgresql/*/bin/initdb")
	}
	if err != nil {
		return "", err
	}
	return filepath.Dir(found[len(found)-1]), nil
}

func startServer() (_ *server, err error) {
	bin, err := postgresFolder()
	if err != nil {
		return nil, err
	}
	nobody, err := user.Lookup("nobody") // PostgreSQL does not run as root
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	s := new(server)
	if s.SocketDir, err = os.MkdirTemp("/tmp", "dist-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err := errors.Join(os.Chmod(s.SocketDir, 0o755), os.Chown(s.SocketDir, uid, gid)); err != nil {
		return nil, err
	}
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir, cmd.Env = "/", append(os.Environ(), "LC_ALL=C", "HOME="+s.SocketDir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, Pdeathsig: syscall.SIGINT}
		return cmd
	}
	data := filepath.Join(s.SocketDir, "data")
	if out, err := command("initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	s.cmd = command("postgres", "-D", data, "-k", s.SocketDir, "-c", "fsync=off", "-c", "listen_addresses=127.0.0.1")
	log, err := os.Create(filepath.Join(s.SocketDir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * patience); ; <-tick.C {
		err := exec.Command("psql", "-h", s.SocketDir, "-U", "postgres", "-c", "").Run()
		if err == nil {
			return s, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("PostgreSQL does not start: %w", err)
		}
	}
}

func (s *server) close() error {
	if s.cmd != nil && s.cmd.Process != nil {
		s.cmd.Process.Signal(syscall.SIGINT) // a fast shutdown
		s.cmd.Wait()
	}
	return os.RemoveAll(s.SocketDir)
}
