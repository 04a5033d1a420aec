package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// results is the folder in which a run is kept: rounds.jsonl grows with each round,
// the other files are written anew after each work.
type results struct {
	dir    string
	rounds *os.File
}

// roundLine is a line of rounds.jsonl, behind the first, which is about the run.
type roundLine struct {
	Work    string             `json:"work"`
	Pooler  string             `json:"pooler"`
	Round   int                `json:"round"` // from 1; 0 is the warm-up
	Figures map[string]float64 `json:"figures,omitempty"`
	Error   string             `json:"error,omitempty"`
}

// openResults makes the folder, which must lie outside of the source tree: figures
// of one machine on one day are not part of it.
func openResults(dir string) (*results, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if tree := treeAround(dir); tree != "" {
		return nil, fmt.Errorf("-out: %s lies in the source tree %s", dir, tree)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	rounds, err := os.Create(filepath.Join(dir, "rounds.jsonl"))
	if err != nil {
		return nil, err
	}
	return &results{dir: dir, rounds: rounds}, nil
}

// treeAround is the folder above, or this one, that has pgweir's go.mod; "" is none.
func treeAround(dir string) string {
	for {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real
		}
		if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && strings.HasPrefix(string(text), "module pgweir\n") {
			return dir
		}
		above := filepath.Dir(dir)
		if above == dir {
			return ""
		}
		dir = above
	}
}

// line appends a line to rounds.jsonl.
func (k *results) line(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = k.rounds.Write(append(text, '\n'))
	return err
}

// write writes all other files.
func (k *results) write(r *report) error {
	page, err := r.page()
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(k.dir, "bench.txt"), []byte(r.text()), 0o644),
		os.WriteFile(filepath.Join(k.dir, "bench.md"), []byte(r.markdown()), 0o644),
		os.WriteFile(filepath.Join(k.dir, "bench.html"), page, 0o644),
	)
}

func (k *results) close(r *report) error { return errors.Join(k.write(r), k.rounds.Close()) }
