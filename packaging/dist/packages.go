package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

const description = `connection pooler for PostgreSQL
PostgreSQL forks a process for every connection. pgweir lets thousands of
clients share a few of those processes. Applications only change the port that
they connect to; configuration and console use PgBouncer's names.`

// packages writes the .deb and the .rpm of a target.
func (r *release) packages(t target) error {
	for _, format := range []string{"deb", "rpm"} {
		if err := r.pack(t, format); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) pack(t target, format string) (err error) {
	contents, err := r.contents(t, format)
	if err != nil {
		return err
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "pgweir", Arch: t.arch, Platform: "linux", Version: r.version, Release: "1",
		Section: "database", Priority: "optional", License: "MIT", MTime: r.at,
		Maintainer: r.maintainer, Vendor: "The pgweir authors",
		Homepage: r.url, Description: description, DisableGlobbing: true,
		Overridables: nfpm.Overridables{Contents: contents, Scripts: r.scripts(format)},
	})
	switch format {
	case "deb":
		info.Depends = []string{"init-system-helpers", "passwd"}
	case "rpm":
		info.RPM.BuildHost = "localhost" // else the name of this machine
		info.RPM.Summary, _, _ = strings.Cut(description, "\n")
		info.Depends = []string{"/usr/sbin/useradd"}
	}
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(r.out, packager.ConventionalFileName(info)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return packager.Package(info, f)
}

func (r *release) scripts(format string) nfpm.Scripts {
	if format == "deb" {
		return nfpm.Scripts{PostInstall: r.file("deb/postinst"), PreRemove: r.file("deb/prerm"), PostRemove: r.file("deb/postrm")}
	}
	return nfpm.Scripts{
		PreInstall: r.file("rpm/pre"), PostInstall: r.file("rpm/post"),
		PreRemove: r.file("rpm/preun"), PostRemove: r.file("rpm/postun"),
	}
}

// contents are the files of a package, and whose they are.
func (r *release) contents(t target, format string) (files.Contents, error) {
	add := func(list *files.Contents, from, to string, mode os.FileMode) {
		*list = append(*list, &files.Content{Source: from, Destination: to, FileInfo: &files.ContentFileInfo{Mode: mode, MTime: r.at}})
	}
	var list files.Contents
	add(&list, r.binary(t), "/usr/bin/pgweir", 0o755)
	add(&list, r.file("pgweir.service"), "/usr/lib/systemd/system/pgweir.service", 0o644)
	add(&list, r.file("sysusers.conf"), "/usr/lib/sysusers.d/pgweir.conf", 0o644)
	for shell, to := range map[string]string{
		"pgweir.bash": "/usr/share/bash-completion/completions/pgweir",
		"_pgweir":     "/usr/share/zsh/site-functions/_pgweir",
		"pgweir.fish": "/usr/share/fish/vendor_completions.d/pgweir.fish",
	} {
		add(&list, filepath.Join(r.work, shell), to, 0o644)
	}
	manual := filepath.Join(r.work, "pgweir.1.gz")
	if err := r.gzipFile(r.file("pgweir.1"), manual); err != nil {
		return nil, err
	}
	add(&list, manual, "/usr/share/man/man1/pgweir.1.gz", 0o644)
	docs, err := r.docs()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"README.md", "CHANGELOG.md"} {
		add(&list, filepath.Join(r.root, name), "/usr/share/doc/pgweir/"+name, 0o644)
	}
	for _, name := range docs {
		add(&list, filepath.Join(r.root, name), "/usr/share/doc/pgweir/"+name, 0o644)
	}
	license := "/usr/share/doc/pgweir/LICENSE"
	if format == "deb" {
		license = "/usr/share/doc/pgweir/copyright"
	}
	add(&list, filepath.Join(r.root, "LICENSE"), license, 0o644)
	add(&list, r.licensesOf(t), "/usr/share/doc/pgweir/THIRD_PARTY_LICENSES", 0o644)

	config := &files.Content{
		Source: filepath.Join(r.work, "config.toml"), Destination: "/etc/pgweir/config.toml", Type: "config|noreplace",
		FileInfo: &files.ContentFileInfo{Mode: 0o640, MTime: r.at},
	}
	if format == "rpm" { // dpkg unpacks before the user is there: postinst sets the group
		config.FileInfo.Group = "pgweir"
	}
	folder := &files.Content{Destination: "/etc/pgweir", Type: files.TypeDir, FileInfo: &files.ContentFileInfo{Mode: 0o755, MTime: r.at}}
	return append(list, folder, config), nil
}
