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

func readFile(path string) ([]byte, error) { return ReadFile(path, maxFileBytes) }

// ReadFile reads a file of so many bytes at most that the configuration, or such a file,
// names. It must be a regular one: a pipe or a device would stop a reload until somebody
// writes to it. The error does not name the file.
func ReadFile(path string, most int) ([]byte, error) {
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
	data, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return nil, reason(err)
	}
	if len(data) > most {
		return nil, fmt.Errorf("larger than %d bytes", most)
	}
	return data, nil
}
