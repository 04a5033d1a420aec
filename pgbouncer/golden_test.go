package pgbouncer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgweir/config"
)

// fromTestdata reads files of testdata, as if it were the current folder.
func fromTestdata(path string) ([]byte, error) {
	return config.ReadFile(filepath.Join("testdata", filepath.Base(path)), maxFileBytes)
}

// importTestdata makes a config.toml of a file of testdata. The current folder is /srv.
func importTestdata(t *testing.T, name string) (*translator, *Imported) {
	t.Helper()
	tr := translate(name, "/srv", fromTestdata)
	im, err := tr.imported()
	if err != nil {
		t.Fatal(err)
	}
	return tr, im
}

func TestImportWritesTheGoldenFiles(t *testing.T) {
	for _, name := range []string{"operator", "everything"} {
		_, im := importTestdata(t, name+".ini")
		golden := filepath.Join("testdata", name+".toml")
		if *update {
			if err := os.WriteFile(golden, im.Text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != string(im.Text) {
			t.Errorf("%s.ini: not what %s has; go test ./pgbouncer -update rewrites it. Got\n%s", name, golden, im.Text)
		}
	}
}

// What is imported is the same configuration as what is served, with the files that
// everything.ini names there.
func TestImportedIsWhatIsServed(t *testing.T) {
	folder := t.TempDir()
	cert, key := certificate(t)
	for name, data := range map[string][]byte{
		"userlist.txt":    []byte("\"ann\" \"x\"\n"),
		"resolv.conf":     []byte("nameserver 10.0.0.1\n"),
		"tls/clients.crt": cert, "tls/own.crt": cert, "tls/own.key": key,
		"tls/root.crt": cert, "tls/pooler.crt": cert, "tls/pooler.key": key,
	} {
		path := filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	tr := translate("everything.ini", folder, fromTestdata)
	if _, err := config.FromTree(&tr.tree); err != nil {
		t.Fatal(err)
	}
	alike(t, tr, tr.text())
}

// certificate is one that has signed itself, and its key.
func certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func TestTheFileWithEverythingHasEverySetting(t *testing.T) {
	r := readINI("everything.ini", fromTestdata)
	have := map[string]bool{}
	for _, it := range r.items {
		if it.section == "pgbouncer" {
			have["pgbouncer."+it.key] = true
			continue
		}
		pairs, err := connString(it.value)
		if err != nil && !it.header {
			t.Errorf("%s: %v", it.name(), err)
		}
		for _, p := range pairs {
			have[it.section+"."+p.key] = true
		}
	}
	for _, sec := range tables {
		for i := range sec.settings {
			if name := sec.name + "." + sec.settings[i].name; !have[name] {
				t.Errorf("everything.ini has no %s", name)
			}
		}
	}
}

func TestNoLineIsDroppedInSilence(t *testing.T) {
	for _, name := range []string{"operator.ini", "everything.ini"} {
		tr, im := importTestdata(t, name)
		kept(t, tr, readINI(name, fromTestdata), im.Text)
	}
}

// kept checks that every entry has become a setting or a comment that names its place.
func kept(t *testing.T, tr *translator, r *reader, text []byte) {
	t.Helper()
	for _, it := range r.items {
		if it.header || strings.Contains(string(text), "("+where(it.at)+")") {
			continue
		}
		path := []string{it.section, it.key}
		if it.section == "pgbouncer" {
			s := find(general, it.key)
			if s == nil {
				t.Errorf("%s: unknown, and no problem", it.name())
				continue
			}
			if s.fate == process { // at its default
				continue
			}
			path = []string{s.target()}
		}
		if at := tr.tree.Place(path...); at != it.at {
			t.Errorf("%s at %s is neither a setting nor a comment", it.name(), where(it.at))
		}
	}
}

// alike checks that a text of TOML is the configuration that a translator has made, or
// has the same faults.
func alike(t *testing.T, tr *translator, text []byte) {
	t.Helper()
	served, servedErr := config.FromTree(&tr.tree)
	imported, importedErr := config.Parse(tr.path, text)
	if (servedErr == nil) != (importedErr == nil) {
		t.Fatalf("served: %v\nimported: %v\n%s", servedErr, importedErr, text)
	}
	if servedErr != nil {
		if got, want := texts(importedErr), texts(servedErr); got != want {
			t.Fatalf("served:\n%s\nimported:\n%s\n%s", want, got, text)
		}
		return
	}
	if got, want := config.Differences(imported, served), ""; got != want {
		t.Fatalf("%s\n%s", got, text)
	}
}

// texts are problems without their places, which differ, in order.
func texts(err error) string {
	problems, _ := err.(config.Problems)
	var out []string
	for _, p := range problems {
		out = append(out, p.Text)
	}
	return sortedLines(out)
}

func sortedLines(lines []string) string {
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
