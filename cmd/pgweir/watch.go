package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"pgweir/config"
)

const (
	// configEvery is how often files are looked at. They are taken when two looks have
	// found the same: one that is just being written is another one at the next.
	configEvery = time.Second
	// retryEvery is how often a reload that has failed is tried again, as what is
	// missing may be in none of the files that are watched.
	retryEvery = 30 * time.Second
	// maxWatched bounds what is read at each look; of a larger file the time of its
	// last change says whether it is another one.
	maxWatched = 1 << 20
)

// fingerprint tells contents apart: of a file, or the names in a folder. What cannot be
// read has one too.
type fingerprint [sha256.Size]byte

func fingerprintOf(path string) fingerprint {
	info, err := os.Stat(path) // through symbolic links
	switch {
	case err != nil:
		return sha256.Sum256([]byte(config.Reason(err).Error()))
	case info.IsDir():
		entries, _ := os.ReadDir(path)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return sha256.Sum256([]byte(strings.Join(names, "\x00")))
	case !info.Mode().IsRegular():
		return sha256.Sum256([]byte(info.Mode().Type().String()))
	case info.Size() > maxWatched:
		return sha256.Sum256(fmt.Appendf(nil, "%d %v", info.Size(), info.ModTime().UnixNano()))
	}
	data, err := config.ReadFile(path, maxWatched)
	if err != nil {
		data = []byte(err.Error())
	}
	return sha256.Sum256(data)
}

func fingerprintsOf(paths []string) map[string]fingerprint {
	out := make(map[string]fingerprint, len(paths))
	for _, path := range paths {
		if _, known := out[path]; !known {
			out[path] = fingerprintOf(path)
		}
	}
	return out
}

// namedFiles are those that a configuration names, that are read with it, and that
// nothing else follows.
func namedFiles(c *config.Config) []string {
	all := []string{c.AuthFile, c.AuthHBAFile, c.AuthIdentFile, c.LDAPTLSCAFile, c.ResolvConf}
	return slices.DeleteFunc(all, func(path string) bool { return path == "" })
}

// look reads the files that the configuration was read from, and those in others, and
// tells whether one is not what it was when it was taken. One that is new among them is
// taken as it is.
func (s *source) look(others []string) (now map[string]fingerprint, changed bool) {
	s.mu.Lock()
	files, loads := append(slices.Clone(s.mu.files), s.mu.path), s.mu.loads
	s.mu.Unlock()
	now = fingerprintsOf(append(files, others...)) // not under the lock: a disk may not answer
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.loads != loads {
		return nil, false // what was taken meanwhile may be newer
	}
	for path, f := range now {
		if taken, known := s.mu.taken[path]; !known {
			s.mu.taken[path] = f
		} else if taken != f {
			changed = true
		}
	}
	for _, path := range others {
		if !slices.Contains(s.mu.files, path) {
			s.mu.files = append(s.mu.files, path)
		}
	}
	return now, changed
}

// watcher reloads when the files of the configuration have changed (watch_config).
type watcher struct {
	last   map[string]fingerprint // of the look before
	failed string                 // what the last reload said, if it failed
	tried  time.Time
	// applied is frontDesk.applied when that was.
	applied int64
}

// watch looks at the files until ctx ends, as long as the configuration wants it.
func (f *frontDesk) watch(ctx context.Context) {
	var w watcher
	tick := time.NewTicker(configEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !f.proxy.Config().WatchConfig {
			w = watcher{}
			continue
		}
		w.look(f)
	}
}

func (w *watcher) look(f *frontDesk) {
	now, changed := f.from.look(f.proxy.AccessFiles())
	settled := maps.Equal(now, w.last)
	w.last = now
	if w.applied != f.applied.Load() {
		w.failed = "" // somebody else has reloaded
	}
	again := w.failed != "" && time.Since(w.tried) >= retryEvery
	if !settled || !changed && !again {
		return
	}
	told := w.failed
	if changed {
		f.log.Info("the configuration's files have changed")
		told = ""
	}
	w.failed, w.tried, w.applied = "", time.Now(), f.applied.Load()
	f.tellManager(f.manager.reloading())
	if _, err := f.proxy.ReloadUnlike(told); err != nil {
		w.failed = err.Error()
	}
	f.tellManager(f.manager.ready())
}
