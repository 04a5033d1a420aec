package test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func TestTheSumsAreThoseOfTheFiles(t *testing.T) {
	cmd := exec.Command("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
	cmd.Dir = dist
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	entries, err := os.ReadDir(dist)
	if err != nil {
		t.Fatal(err)
	}
	sums := read(t, filepath.Join(dist, "SHA256SUMS"))
	for _, e := range entries {
		if e.Name() != "SHA256SUMS" && !strings.Contains(sums, "  "+e.Name()+"\n") {
			t.Errorf("%s has no sum", e.Name())
		}
	}
}

func TestTheArchivesHaveAProgramThatNeedsNothing(t *testing.T) {
	for _, target := range []string{"linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"} {
		dir := t.TempDir()
		must(t, "tar", "-C", dir, "--strip-components=1", "-xzf", built(t, "pgweir-[0-9]*-"+target+".tar.gz"))
		for _, name := range []string{"pgweir", "LICENSE", "THIRD_PARTY_LICENSES", "README.md", "CHANGELOG.md", "config.toml", "pgweir.1", "pgweir.service", "docs/install.md", "docs/sql/auth-query.sql", "completions/pgweir.bash"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Errorf("%s: %v", target, err)
			}
		}
		for _, library := range []string{"jackc/pgx", "spf13/cobra", "the Go library"} {
			if !strings.Contains(read(t, filepath.Join(dir, "THIRD_PARTY_LICENSES")), library) {
				t.Errorf("%s: the terms of %s are missing", target, library)
			}
		}
		if target == "linux-"+runtime.GOARCH {
			if out := must(t, filepath.Join(dir, "pgweir"), "check", "-c", filepath.Join(dir, "config.toml")); !strings.Contains(out, ": ok") {
				t.Errorf("check: %s", out)
			}
		}
		if !strings.HasPrefix(target, "linux") {
			continue
		}
		f, err := elf.Open(filepath.Join(dir, "pgweir"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if libraries, err := f.ImportedLibraries(); len(libraries) > 0 || slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
			t.Errorf("%s is not static: %q %v", target, libraries, err)
		}
	}
}

func TestTheBillOfMaterialsNamesWhatIsLinked(t *testing.T) {
	for _, target := range []string{"linux-amd64", "darwin-arm64"} {
		f, err := os.Open(built(t, "pgweir-[0-9]*-"+target+".cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var bom cdx.BOM
		if err := cdx.NewBOMDecoder(f, cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
			t.Fatal(err)
		}
		found := map[string]cdx.Component{}
		for _, c := range *bom.Components {
			found[c.Name] = c
		}
		pgx := found["github.com/jackc/pgx/v5"]
		if pgx.Hashes == nil || !strings.HasPrefix(pgx.PackageURL, "pkg:golang/github.com/jackc/pgx/v5@v5.") || found["std"].Version == "" {
			t.Errorf("%s: %+v", target, found)
		}
		if _, there := found["github.com/chromedp/chromedp"]; there {
			t.Errorf("%s names what only tests need", target)
		}
	}
}

func TestTheSameTreeGivesTheSameBytes(t *testing.T) {
	version := regexp.MustCompile(`pgweir-(.*)-linux-arm64\.tar\.gz`).FindStringSubmatch(filepath.Base(built(t, "pgweir-[0-9]*-linux-arm64.tar.gz")))[1]
	out := filepath.Join(t.TempDir(), "again")
	dir := t.TempDir()
	must(t, "tar", "-C", dir, "--strip-components=1", "-xzf", built(t, "pgweir-[0-9]*-linux-arm64.tar.gz"))
	license, err := os.Stat(filepath.Join(dir, "LICENSE"))
	if err != nil {
		t.Fatal(err)
	}
	epoch := strconv.FormatInt(license.ModTime().Unix(), 10)
	url := regexp.MustCompile(`homepage "(.*)"`).FindStringSubmatch(read(t, built(t, "pgweir.rb")))[1]
	maintainer := must(t, "dpkg-deb", "-f", built(t, "pgweir_*_arm64.deb"), "Maintainer")
	cmd := exec.Command("sh", "-c", `umask 077; exec go run ./dist "$@"`, "-", "-version", version, "-out", out, "-targets", "linux/arm64", "-url", url, "-maintainer", strings.TrimSpace(maintainer))
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "TZ=Asia/Tokyo", "LC_ALL=C", "SOURCE_DATE_EPOCH="+epoch)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	before := read(t, filepath.Join(dist, "SHA256SUMS"))
	compared := 0
	for line := range strings.Lines(read(t, filepath.Join(out, "SHA256SUMS"))) {
		if !strings.Contains(line, "arm64") && !strings.Contains(line, "aarch64") {
			continue // it has the other systems in it
		}
		compared++
		if !strings.Contains(before, line) {
			t.Errorf("another one now: %s", line)
		}
	}
	if compared < 6 {
		t.Errorf("%d files were compared", compared)
	}
}
