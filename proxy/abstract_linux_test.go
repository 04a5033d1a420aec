package proxy

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

func TestAnAbstractSocketHasNoFileAndOneOwner(t *testing.T) {
	t.Chdir(t.TempDir())
	path := fmt.Sprintf("@weir-%d/.s.PGSQL.6432", os.Getpid())
	l, err := bindUnix(path, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := bindUnix(path, 0o700); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second time: %v", err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if files, err := os.ReadDir("."); err != nil || len(files) > 0 {
		t.Errorf("there are %v, %v", files, err)
	}
}
