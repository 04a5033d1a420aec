package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgweir/wire"
)

// socketThat listens where a pgweir of the folder would, and answers each client of the
// console with these bytes and each SSLRequest as pgweir does. With nil it never answers.
func socketThat(t *testing.T, answers []byte) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "health") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.6432"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				var size [4]byte
				io.ReadFull(conn, size[:])
				rest := make([]byte, size[3]-4)
				io.ReadFull(conn, rest)
				switch {
				case answers == nil:
				case bytes.Equal(append(size[:], rest...), wire.AppendSSLRequest(nil)):
					conn.Write([]byte("N"))
				default:
					conn.Write(answers)
				}
				io.Copy(io.Discard, conn)
			}()
		}
	}()
	return dir
}

func TestHealthSaysWhatItHasSeenAndWhatNot(t *testing.T) {
	const unasked = "whether PostgreSQL does was not asked, as there is no http_listen, and its console lets in only who runs as the same user: "
	askPassword := []byte{'R', 0, 0, 0, 8, 0, 0, 0, 3}
	stranger := wire.Fatalf(wire.CodeInvalidAuthorization, "no").Append(nil)
	ending := wire.Fatalf(wire.CodeCannotConnectNow, "shutting down").Append(nil)
	for _, c := range []struct {
		name    string
		answers []byte
		live    bool
		want    string // "ok: " and so on, or the error
	}{
		{"a password", askPassword, false, "ok: SOCKET answers; " + unasked + "it asks for a password"},
		{"a refusal", stranger, false, "ok: SOCKET answers; " + unasked + "no"},
		{"the end", ending, false, "not ready: shutting down"},
		{"only life", stranger, true, "ok: SOCKET answers"},
		{"nothing", nil, false, "no pgweir answers at SOCKET within 300ms"},
		{"nothing at all", nil, true, "no pgweir answers at SOCKET within 300ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := socketThat(t, c.answers)
			path := writeConfig(t, "http_listen = ''\nlisten_addr = ''\nunix_socket_dir = '"+dir+"'\n")
			h := healthCheck{live: c.live, within: 20 * time.Second}
			if c.answers == nil {
				h.within = 300 * time.Millisecond
			}
			h.config, h.configGiven = path, true
			ctx, cancel := context.WithTimeout(t.Context(), h.within)
			defer cancel()
			seen, err := h.ask(ctx)
			got := "ok: " + seen
			if err != nil {
				got = err.Error()
			}
			if want := strings.ReplaceAll(c.want, "SOCKET", filepath.Join(dir, ".s.PGSQL.6432")); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}
