package proxy

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"slices"

	"pgweir/auth/hba"
	"pgweir/config"
)

// accessFiles reads the files of lines, and keeps what it has read in mind.
type accessFiles struct {
	// names are those of files, and of folders of which all files are read.
	names []string
	sum   hash.Hash
}

func newAccessFiles() *accessFiles { return &accessFiles{sum: sha256.New()} }

func (a *accessFiles) files() hba.Files { return hba.Files{Read: a.read, List: a.list} }

func (a *accessFiles) note(path string) {
	if !slices.Contains(a.names, path) {
		a.names = append(a.names, path)
	}
}

func (a *accessFiles) read(path string) ([]byte, error) {
	a.note(path)
	data, err := config.ReadFile(path, hba.MaxBytes)
	fmt.Fprintf(a.sum, "%q %d\n%s", path, len(data), data)
	return data, err
}

// list is for include_dir.
func (a *accessFiles) list(dir string) (names []string, err error) {
	a.note(dir)
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if st, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && !st.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// AccessFiles are the files and folders that the lines in force were read from; none
// without auth_type = "hba".
func (p *Proxy) AccessFiles() []string { return p.rules.Load().access.files }
