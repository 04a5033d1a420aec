package main

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// scramKeys are what a client keeps that logs in by SCRAM-SHA-256 again and again, as
// drivers do: it derives nothing from its password then, and the pooler is what is
// measured.
type scramKeys struct {
	secret string // as the pooler has it, in PostgreSQL's form
	client []byte
	stored []byte
}

const (
	scramPassword   = "bench"
	scramIterations = 4096
	scramClients    = 16 // at a time
)

func newSCRAMKeys() (*scramKeys, error) {
	salt := make([]byte, 16)
	rand.Read(salt)
	salted, err := pbkdf2.Key(sha256.New, scramPassword, salt, scramIterations, sha256.Size)
	if err != nil {
		return nil, err
	}
	k := &scramKeys{client: sign(salted, "Client Key")}
	stored := sha256.Sum256(k.client)
	k.stored = stored[:]
	b64 := base64.StdEncoding.EncodeToString
	k.secret = fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, b64(salt), b64(k.stored), b64(sign(salted, "Server Key")))
	return k, nil
}

func sign(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	io.WriteString(h, text)
	return h.Sum(nil)
}

// prove logs a connection in.
func (k *scramKeys) prove(c *client, user string) error {
	nonce := rand.Text()
	bare := "n=,r=" + nonce
	if _, err := c.exchange(startupMessage(user, database), 10); err != nil {
		return err
	}
	first := "n,," + bare
	body := append([]byte("SCRAM-SHA-256\x00"), binary.BigEndian.AppendUint32(nil, uint32(len(first)))...)
	challenge, err := c.exchange(passwordMessage(append(body, first...)), 11)
	if err != nil {
		return err
	}
	theirs, _, ok := strings.Cut(strings.TrimPrefix(challenge, "r="), ",")
	if !ok || !strings.HasPrefix(theirs, nonce) {
		return fmt.Errorf("the pooler says %q", challenge)
	}
	final := "c=biws,r=" + theirs
	proof := sign(k.stored, bare+","+challenge+","+final)
	subtle.XORBytes(proof, proof, k.client)
	return c.roundTrip(passwordMessage([]byte(final + ",p=" + base64.StdEncoding.EncodeToString(proof))))
}

func passwordMessage(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{'p'}, uint32(len(body)+4)), body...)
}

// exchange sends a message and gives what an authentication request of a kind has.
func (c *client) exchange(message []byte, kind uint32) (string, error) {
	if err := c.send(message); err != nil {
		return "", err
	}
	var buf [4096]byte
	n := 0
	for n < 9 || n < 1+int(binary.BigEndian.Uint32(buf[1:])) {
		got := 0
		err := again(func() (err error) {
			got, err = syscall.Read(c.fd, buf[n:])
			return err
		})
		switch {
		case err != nil:
			return "", err
		case got == 0:
			return "", fmt.Errorf("the pooler says %q", buf[:n])
		}
		n += got
	}
	if buf[0] != 'R' || binary.BigEndian.Uint32(buf[5:]) != kind {
		return "", fmt.Errorf("the pooler says %q", buf[:n])
	}
	return string(buf[9:n]), nil
}

// scram tells how many logins a second there are, each by SCRAM with keys that the client
// has kept, and none but the login.
func scram(ctx context.Context, b *bench, p *pooler) (values []float64, err error) {
	if p.scram, err = newSCRAMKeys(); err != nil {
		return nil, err
	}
	defer func() {
		p.scram = nil
		err = errors.Join(err, p.restart(ctx, b.db))
	}()
	if err := p.restart(ctx, b.db); err != nil {
		return nil, err
	}
	before, err := cpuTime(p.process.PID())
	if err != nil {
		return nil, err
	}
	start := time.Now()
	n, err := logins(p, start.Add(b.duration))
	if err != nil {
		return nil, err
	}
	elapsed := time.Since(start)
	after, err := cpuTime(p.process.PID())
	if err != nil {
		return nil, err
	}
	return []float64{float64(n) / elapsed.Seconds(), perUnit(after-before, n)}, nil
}

// logins has some clients log in and leave again and again.
func logins(p *pooler, end time.Time) (int, error) {
	var done sync.WaitGroup
	var n atomic.Int64
	failed := make(chan error, scramClients)
	for range scramClients {
		done.Go(func() {
			for time.Now().Before(end) {
				c, err := p.dial()
				if err != nil {
					failed <- err
					return
				}
				c.close()
				n.Add(1)
			}
		})
	}
	done.Wait()
	close(failed)
	return int(n.Load()), <-failed
}
