package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"pgweir/config"
	"pgweir/pgbouncer"
)

// source is the file that the configuration comes from: a config.toml or a pgbouncer.ini.
type source struct {
	mu struct {
		sync.Mutex
		path    string
		process pgbouncer.Process
		notes   []pgbouncer.Note // of the last time that it was read
		warned  []pgbouncer.Note // those that the log has
		files   []string         // besides path, that were read the last time
		// taken are the contents of files, as they were when they were read last or
		// before that.
		taken map[string]fingerprint
		loads int // how often it has been read
	}
	verbose bool // every message is logged, whatever the file says
	watch   bool // watch_config is on, whatever the file says
}

func newSource(path string) *source {
	s := &source{}
	s.mu.path = path
	return s
}

// load reads the file. The conffile of a pgbouncer.ini is what is read the next time.
func (s *source) load() (*config.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.loads > 0 {
		// What a pipe held has been read, and another reading would wait, or find nothing.
		if info, err := os.Stat(s.mu.path); err == nil && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s: not a regular file: it cannot be read again", s.mu.path)
		}
	}
	s.mu.loads++
	s.mu.taken = fingerprintsOf(append(s.mu.files, s.mu.path))
	c, loaded, err := readConfig(s.mu.path)
	if err != nil {
		return nil, err
	}
	s.mu.files = namedFiles(c)
	if loaded != nil {
		s.mu.files = append(s.mu.files, loaded.Files...)
		s.mu.process, s.mu.notes = loaded.Process, pgbouncer.Matters(loaded.Notes)
		if next := loaded.Process.ConfFile; next != "" {
			s.mu.path = next
		}
	}
	for _, path := range s.mu.files {
		if _, known := s.mu.taken[path]; !known {
			s.mu.taken[path] = fingerprintOf(path)
		}
	}
	return s.override(c)
}

// override has what the command line says go before the file, also when SET changes a
// setting of it.
func (s *source) override(c *config.Config) (*config.Config, error) {
	for _, o := range []struct {
		given      bool
		key, value string
	}{{s.watch, "watch_config", "true"}, {s.verbose, "log_level", "debug"}} {
		if !o.given {
			continue
		}
		var err error
		if c, _, err = c.With(o.key, o.value); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// process is what the file says of the process itself.
func (s *source) process() pgbouncer.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.process
}

// warn tells of lines of a pgbouncer.ini that ask for what they do not get, once of each.
func (s *source) warn(log *slog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.mu.notes {
		if slices.Contains(s.mu.warned, n) {
			continue
		}
		log.Warn("a setting of PgBouncer's has no effect", "setting", n.Setting, "at", fmt.Sprintf("%s:%d", n.At.File, n.At.Line), "why", n.Text)
	}
	s.mu.warned = s.mu.notes
}

// readConfig reads a config.toml, or a pgbouncer.ini; loaded is nil for the former. Of
// names of PgBouncer's in a config.toml the error says what pgweir has in their place.
func readConfig(path string) (c *config.Config, loaded *pgbouncer.Loaded, err error) {
	if c, loaded, err = readDraft(path); err != nil {
		return nil, nil, err
	}
	return c, loaded, nil
}

// readDraft is readConfig, and may have a configuration beside an error, as
// config.LoadDraft has.
func readDraft(path string) (c *config.Config, loaded *pgbouncer.Loaded, err error) {
	if pgbouncer.Is(path) {
		if loaded, err = pgbouncer.LoadDraft(path); loaded == nil {
			return nil, nil, err
		}
		return loaded.Config, loaded, err
	}
	c, err = config.LoadDraft(path)
	var problems config.Problems
	if errors.As(err, &problems) {
		pgbouncer.Explain(problems)
	}
	return c, nil, err
}

// configPath is the file that a command was given, as an argument or by a flag, which
// has a default.
func configPath(cmd *cobra.Command, flag string, args []string) (string, error) {
	if len(args) == 0 {
		return flag, nil
	}
	if cmd.Flags().Changed("config") {
		return "", fmt.Errorf("two configuration files: %s and %s", flag, args[0])
	}
	return args[0], nil
}
