package cluster

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// removeSharedMemory removes the small System V segment with which PostgreSQL
// guards its data folder. A server that ends by itself removes it, and its
// postmaster.pid; one that was killed leaves both, and only a restart on the
// same folder would clear it away. The seventh line of postmaster.pid names
// the segment: "key id".
func removeSharedMemory(data string) error {
	content, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	lines := strings.Split(string(content), "\n")
	if len(lines) < 7 {
		return nil // it did not get as far as making one
	}
	fields := strings.Fields(lines[6])
	if len(fields) != 2 {
		return nil
	}
	id, err := strconv.Atoi(fields[1])
	if err != nil {
		return nil
	}
	_, err = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EIDRM) {
		return nil // gone already
	}
	return err
}
