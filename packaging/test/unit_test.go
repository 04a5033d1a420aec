package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func TestTheUnitHasRoomForTheDefaults(t *testing.T) {
	sample := read(t, "../../config.toml")
	number := func(text, pattern string) int {
		m := regexp.MustCompile("(?m)^" + pattern + `\D*$`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("%s is not there", pattern)
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	file := read(t, "../files/pgweir.service")
	if have, need := number(file, `LimitNOFILE=(\d+)`), number(sample, `#max_client_conn = (\d+)`)+number(sample, `#max_logins = (\d+)`)+1000; have < need {
		t.Errorf("there are %d descriptors, and %d may be needed", have, need)
	}
	if have, need := number(file, `TimeoutStopSec=(\d+)`), number(sample, `#shutdown_timeout = "(\d+)s"`); have < need+5 {
		t.Errorf("there are %d s to stop, and shutdown_timeout is %d s", have, need)
	}
}

func TestSystemdUnderstandsTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("there is no systemd-analyze here")
		return
	}
	// It wants the programs that the unit starts to be there.
	path := filepath.Join(t.TempDir(), "pgweir.service")
	text := strings.Replace(read(t, "../files/pgweir.service"), "ExecStart=/usr/bin/pgweir", "ExecStart=/bin/true", 1)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := must(t, analyze, "--man=no", "verify", path); strings.Contains(out, "pgweir") {
		t.Error(out)
	}
}

func TestTheManualHasEveryCommand(t *testing.T) {
	root := t.TempDir()
	must(t, "tar", "-C", root, "--strip-components=1", "-xzf", built(t, "pgweir-[0-9]*-linux-"+runtime.GOARCH+".tar.gz"))
	help := must(t, filepath.Join(root, "pgweir"), "--help")
	_, list, _ := strings.Cut(help, "Available Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	manual := read(t, filepath.Join(root, "pgweir.1"))
	for _, m := range regexp.MustCompile(`(?m)^  (\S+)`).FindAllStringSubmatch(list, -1) {
		if m[1] != "help" && !strings.Contains(manual, "\n.B "+m[1]+"\n") {
			t.Errorf("the manual does not have %s", m[1])
		}
	}
}
