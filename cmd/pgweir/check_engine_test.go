package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgweir/loop"
)

func TestCheckSaysWhichEngineThereWouldBe(t *testing.T) {
	const kernel = "kernel.io_uring_disabled is 2: nobody may use io_uring"
	for _, c := range []struct {
		name, refusal, want string
	}{
		{"auto", "", "io_engine: io_uring: the kernel allows it\n"},
		{"auto", kernel, "io_engine: " + loop.Readiness.String() + ": " + kernel + "\n"},
		{"epoll", "", "io_engine: " + loop.Readiness.String() + ": as configured\n"},
		{"io_uring", "", "io_engine: io_uring: the kernel allows it\n"},
		{"io_uring", kernel, "CONFIG:1: io_engine: io_uring cannot be used: " + kernel + "\n"},
	} {
		path := writeConfig(t, "io_engine = '"+c.name+"'\nlisten_addr = ''\nhttp_listen = ''")
		var out bytes.Buffer
		ck := checker{out: &out, ask: new(scriptedServer).ask, ioUring: func() error {
			if c.refusal != "" {
				return errors.New(c.refusal)
			}
			return nil
		}}
		err := ck.run(t.Context(), path)
		want := strings.ReplaceAll(c.want, "CONFIG", path)
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s, %q: %s", c.name, c.refusal, &out)
		}
		if failed := errors.Is(err, errCheckFailed); failed != strings.HasPrefix(c.want, "CONFIG") {
			t.Errorf("%s, %q: %v", c.name, c.refusal, err)
		}
	}
}
