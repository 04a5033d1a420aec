package main

import (
	"os"
	"path/filepath"
	"text/template"
)

// formula writes the Homebrew formula with the sums of the archives.
func (r *release) formula() error {
	text, err := template.ParseFiles(r.file("pgweir.rb"))
	if err != nil {
		return err
	}
	type archive struct{ CPU, File, Sum string }
	values := struct {
		Version, URL string
		MacOS, Linux []archive
	}{Version: r.version, URL: r.url}
	for _, t := range r.targets {
		a := archive{CPU: map[string]string{"amd64": "intel", "arm64": "arm"}[t.arch], File: r.archiveName(t) + ".tar.gz"}
		if a.Sum, err = sumOf(filepath.Join(r.out, a.File)); err != nil {
			return err
		}
		if t.os == "darwin" {
			values.MacOS = append(values.MacOS, a)
		} else {
			values.Linux = append(values.Linux, a)
		}
	}
	f, err := os.Create(filepath.Join(r.out, "pgweir.rb"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := text.Execute(f, values); err != nil {
		return err
	}
	return f.Close()
}
