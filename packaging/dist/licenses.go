package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
)

// modules are the modules whose code is in a binary.
func (r *release) modules(t target) ([]*debug.Module, *buildinfo.BuildInfo, error) {
	info, err := buildinfo.ReadFile(r.binary(t))
	if err != nil {
		return nil, nil, err
	}
	var out []*debug.Module
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		out = append(out, m)
	}
	return out, info, nil
}

// licenseFile are names of files with the terms of a module.
var licenseFile = regexp.MustCompile(`(?i)^(licen[sc]e|copying|notice|patents)([.-].*)?$`)

func (r *release) licensesOf(t target) string {
	return filepath.Join(r.work, t.String(), "THIRD_PARTY_LICENSES")
}

// licenses writes the terms of all that is linked into a binary, which most of them ask
// to be handed on with it.
func (r *release) licenses(t target) error {
	modules, info, err := r.modules(t)
	if err != nil {
		return err
	}
	goroot, err := r.goOutput(nil, "env", "GOROOT")
	if err != nil {
		return err
	}
	var b strings.Builder
	add := func(name, dir string) error {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		found := false
		for _, e := range entries {
			if e.IsDir() || !licenseFile.MatchString(e.Name()) {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "==== %s: %s\n\n%s\n\n", name, e.Name(), strings.TrimSpace(string(text)))
			found = true
		}
		if !found {
			return fmt.Errorf("%s has no license in %s", name, dir)
		}
		return nil
	}
	if err := add("the Go library, "+info.GoVersion, strings.TrimSpace(string(goroot))); err != nil {
		return err
	}
	for _, m := range modules {
		text, err := r.goOutput(nil, "mod", "download", "-json", m.Path+"@"+m.Version)
		if err != nil {
			return err
		}
		var at struct{ Dir string }
		if err := json.Unmarshal(text, &at); err != nil {
			return err
		}
		if err := add(m.Path+" "+m.Version, at.Dir); err != nil {
			return err
		}
	}
	return os.WriteFile(r.licensesOf(t), []byte(b.String()), 0o644)
}
