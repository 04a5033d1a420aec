package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// maxFileBytes bounds an auth_file (a million users fit) and the TLS files.
const maxFileBytes = 256 << 20

// readFile reads a file that the configuration names. It must be a regular one:
// a pipe or a device would stop a reload until somebody writes to it.
func readFile(path string) ([]byte, error) {
	// Without O_NONBLOCK the opening of a pipe would already wait.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, reason(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, reason(err)
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("larger than %d bytes", maxFileBytes)
	}
	return data, nil
}
