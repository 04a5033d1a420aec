package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

func (r *release) archiveName(t target) string { return "pgweir-" + r.version + "-" + t.String() }

// entry is a file, a folder or a link of an archive.
type entry struct {
	name string // "/" separates
	from string // the file that has the content; "": data
	data []byte
	link string // of a symbolic link
	mode int64
	dir  bool
	id   int // of user and group
}

// archive writes a target's .tar.gz, which has all that a package has.
func (r *release) archive(t target) error {
	top := r.archiveName(t) + "/"
	entries := []entry{
		{name: top, dir: true, mode: 0o755},
		{name: top + "pgweir", from: r.binary(t), mode: 0o755},
		{name: top + "config.toml", from: filepath.Join(r.root, "config.toml"), mode: 0o644},
		{name: top + "THIRD_PARTY_LICENSES", from: r.licensesOf(t), mode: 0o644},
		{name: top + "pgweir.1", from: r.file("pgweir.1"), mode: 0o644},
		{name: top + "pgweir.service", from: r.file("pgweir.service"), mode: 0o644},
		{name: top + "completions/", dir: true, mode: 0o755},
		{name: top + "docs/", dir: true, mode: 0o755},
		{name: top + "docs/sql/", dir: true, mode: 0o755},
	}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		entries = append(entries, entry{name: top + name, from: filepath.Join(r.root, name), mode: 0o644})
	}
	for _, name := range []string{"pgweir.bash", "_pgweir", "pgweir.fish"} {
		entries = append(entries, entry{name: top + "completions/" + name, from: filepath.Join(r.work, name), mode: 0o644})
	}
	docs, err := r.docs()
	if err != nil {
		return err
	}
	for _, name := range docs {
		entries = append(entries, entry{name: top + name, from: filepath.Join(r.root, name), mode: 0o644})
	}
	return writeTarGz(filepath.Join(r.out, r.archiveName(t)+".tar.gz"), entries, r.at)
}

// docs are the pages for operators, and the SQL that they link to, as "docs/sql/x.sql".
func (r *release) docs() ([]string, error) {
	tree := os.DirFS(r.root)
	pages, err := fs.Glob(tree, "docs/*.md")
	if err != nil {
		return nil, err
	}
	sql, err := fs.Glob(tree, "docs/sql/*.sql")
	return append(pages, sql...), err
}

func writeTarGz(path string, entries []entry, at time.Time) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	return errors.Join(writeEntries(z, entries, at), z.Close())
}

func writeTar(path string, entries []entry, at time.Time) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(writeEntries(f, entries, at), f.Close())
}

func writeEntries(to io.Writer, entries []entry, at time.Time) error {
	w := tar.NewWriter(to)
	for i := range entries {
		if err := writeEntry(w, &entries[i], at); err != nil {
			return err
		}
	}
	return w.Close()
}

// treeOf is all that is in a folder, in order of names.
func treeOf(dir string) (entries []entry, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if d.IsDir() {
			entries = append(entries, entry{name: name + "/", dir: true, mode: 0o755})
		} else {
			entries = append(entries, entry{name: name, from: path, mode: 0o644})
		}
		return err
	})
	return entries, err
}

func writeEntry(w *tar.Writer, e *entry, at time.Time) error {
	data := e.data
	if e.from != "" {
		var err error
		if data, err = os.ReadFile(e.from); err != nil {
			return err
		}
	}
	h := &tar.Header{Name: e.name, Mode: e.mode, ModTime: at, Uid: e.id, Gid: e.id, Typeflag: tar.TypeReg, Size: int64(len(data))}
	switch {
	case e.dir:
		h.Typeflag, h.Size = tar.TypeDir, 0
	case e.link != "":
		h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, e.link, 0
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}
