// Command dist builds what an operator installs: archives, packages, the image of a
// container, a Homebrew formula, and what is in them (SBOM, licenses). The same tree, Go
// and time give the same bytes. It knows where files go on a system; how a program is
// run there is said by the files in packaging/files.
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// release is what is built.
type release struct {
	version string    // as "0.1.0"
	at      time.Time // of every file in it (SOURCE_DATE_EPOCH)
	root    string    // the tree
	out     string    // the folder that is written
	url     string    // where the archives will be; "" if that is not known
	targets []target
	// maintainer of the packages, as "name <address>".
	maintainer string
	// work has what is put together before it is packed; it is removed at the end.
	work string
}

// target is a system that there is a binary for, in Go's words.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "-" + t.arch }

func main() {
	var r release
	var epoch, targets string
	flag.StringVar(&r.version, "version", "", "the version")
	flag.StringVar(&r.root, "root", "..", "the tree")
	flag.StringVar(&r.out, "out", "../dist", "the folder to write")
	flag.StringVar(&r.url, "url", "", "where the formula finds the archives; without it there is no formula")
	flag.StringVar(&r.maintainer, "maintainer", "pgweir <root@localhost>", "the packages' Maintainer")
	flag.StringVar(&targets, "targets", "linux/amd64 linux/arm64 darwin/amd64 darwin/arm64", "systems, in Go's words")
	flag.StringVar(&epoch, "epoch", os.Getenv("SOURCE_DATE_EPOCH"), "the time of all files, in seconds since 1970")
	flag.Parse()
	err := r.parse(epoch, targets)
	if err == nil {
		err = r.build()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func (r *release) parse(epoch, targets string) error {
	if r.version == "" {
		return errors.New("-version is needed")
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("-epoch or SOURCE_DATE_EPOCH: %w", err)
	}
	r.at = time.Unix(seconds, 0).UTC()
	for _, name := range strings.Fields(targets) {
		goos, arch, ok := strings.Cut(name, "/")
		if !ok {
			return fmt.Errorf("-targets: %q is not like linux/amd64", name)
		}
		r.targets = append(r.targets, target{goos, arch})
	}
	for _, path := range []*string{&r.root, &r.out} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	return nil
}

// build replaces what is in the folder.
func (r *release) build() (err error) {
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	r.work = filepath.Join(r.out, ".work")
	if err := os.MkdirAll(r.work, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.work)) }()
	if err := r.common(); err != nil {
		return err
	}
	var roots []rootfs
	for _, t := range r.targets {
		if err := r.compile(t); err != nil {
			return err
		}
		steps := []func(target) error{r.licenses, r.sbom, r.archive}
		if t.os == "linux" {
			steps = append(steps, r.packages)
		}
		for _, step := range steps {
			if err := step(t); err != nil {
				return fmt.Errorf("%s: %w", t, err)
			}
		}
		if t.os == "linux" {
			root, err := r.rootfs(t)
			if err != nil {
				return fmt.Errorf("%s: the image: %w", t, err)
			}
			roots = append(roots, root)
		}
	}
	if err := r.image(roots); err != nil {
		return fmt.Errorf("the image: %w", err)
	}
	if r.url == "" {
		fmt.Println("no pgweir.rb, and no Homepage in the packages: DIST_URL is not set")
	} else if err := r.formula(); err != nil {
		return fmt.Errorf("the formula: %w", err)
	}
	return r.sums()
}

// sums writes SHA256SUMS of all files, as sha256sum does.
func (r *release) sums() error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var lines []string
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		sum, err := sumOf(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		lines = append(lines, sum+"  "+e.Name()+"\n")
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(strings.Join(lines, "")), 0o644)
}

func sumOf(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sha256.Sum256(data)), nil
}
