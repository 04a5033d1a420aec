package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// binary is where a target's program is put.
func (r *release) binary(t target) string { return filepath.Join(r.work, t.String(), "pgweir") }

func (r *release) compile(t target) error {
	return r.goRun([]string{"CGO_ENABLED=0", "GOOS=" + t.os, "GOARCH=" + t.arch},
		"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version="+r.version, "-o", r.binary(t), "./cmd/pgweir")
}

// goRun runs the go command in the tree. Nothing of the environment that would make
// another binary reaches it.
func (r *release) goRun(env []string, args ...string) error {
	_, err := r.goOutput(env, args...)
	return err
}

func (r *release) goOutput(env []string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = r.root
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "GOFLAGS", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GODEBUG", "CGO_ENABLED", "GOWORK":
			continue
		}
		cmd.Env = append(cmd.Env, v)
	}
	cmd.Env = append(append(cmd.Env, "GOWORK=off"), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, stderr.Bytes())
	}
	return out, nil
}

// packagedConfig is the sample configuration with what differs in a package.
func (r *release) packagedConfig(changes map[string]string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(r.root, "config.toml"))
	if err != nil {
		return nil, err
	}
	out := string(text)
	for from, to := range changes {
		if strings.Count(out, "\n"+from+"\n") != 1 {
			return nil, fmt.Errorf("config.toml: the line %q is not there once", from)
		}
		out = strings.Replace(out, "\n"+from+"\n", "\n"+to+"\n", 1)
	}
	return []byte(out), nil
}

// common writes what is the same for every target.
func (r *release) common() error {
	config, err := r.packagedConfig(map[string]string{
		`#unix_socket_dir = "/tmp"`: `unix_socket_dir = "/run/pgweir"`, // the unit's RuntimeDirectory
	})
	if err != nil {
		return err
	}
	image, err := r.packagedConfig(map[string]string{
		`#listen_addr = "127.0.0.1"`: `listen_addr = "*"`,
		`#unix_socket_dir = "/tmp"`:  `unix_socket_dir = ""`, // nothing in the image need be written to
	})
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{"config.toml": config, "config-image.toml": image} {
		if err := os.WriteFile(filepath.Join(r.work, name), data, 0o644); err != nil {
			return err
		}
	}
	// Of a program for this machine: the texts are the same for all.
	self := filepath.Join(r.work, "self")
	if err := r.goRun([]string{"CGO_ENABLED=0"}, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version="+r.version, "-o", self, "./cmd/pgweir"); err != nil {
		return err
	}
	for shell, name := range map[string]string{"bash": "pgweir.bash", "zsh": "_pgweir", "fish": "pgweir.fish"} {
		text, err := exec.Command(self, "completion", shell).Output()
		if err != nil {
			return fmt.Errorf("pgweir completion %s: %w", shell, err)
		}
		if err := os.WriteFile(filepath.Join(r.work, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// file is one of packaging/files.
func (r *release) file(name string) string { return filepath.Join(r.root, "packaging", "files", name) }
