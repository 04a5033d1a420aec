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
	"time"

	"pgweir/cluster"
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

// scramProof is a client's side of one login.
type scramProof struct {
	keys  *scramKeys
	nonce string
}

func (k *scramKeys) proof() scramProof { return scramProof{k, rand.Text()} }

func (p *scramProof) bare() string { return "n=,r=" + p.nonce }

// first is what the client says first.
func (p *scramProof) first() []byte {
	first := "n,," + p.bare()
	body := append([]byte("SCRAM-SHA-256\x00"), binary.BigEndian.AppendUint32(nil, uint32(len(first)))...)
	return passwordMessage(append(body, first...))
}

// final is what it says to the pooler's challenge.
func (p *scramProof) final(challenge string) ([]byte, error) {
	theirs, _, ok := strings.Cut(strings.TrimPrefix(challenge, "r="), ",")
	if !ok || !strings.HasPrefix(theirs, p.nonce) {
		return nil, fmt.Errorf("the pooler says %q", challenge)
	}
	final := "c=biws,r=" + theirs
	proof := sign(p.keys.stored, p.bare()+","+challenge+","+final)
	subtle.XORBytes(proof, proof, p.keys.client)
	return passwordMessage([]byte(final + ",p=" + base64.StdEncoding.EncodeToString(proof))), nil
}

// prove logs a connection in.
func (k *scramKeys) prove(c *client, user string) error {
	proof := k.proof()
	if _, err := c.exchange(startupMessage(user, database), authSASL); err != nil {
		return err
	}
	challenge, err := c.exchange(proof.first(), authSASLContinue)
	if err != nil {
		return err
	}
	final, err := proof.final(challenge)
	if err != nil {
		return err
	}
	return c.roundTrip(final)
}

func passwordMessage(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{'p'}, uint32(len(body)+4)), body...)
}

// Kinds of authentication requests.
const (
	authSASL         = 10
	authSASLContinue = 11
)

// authRequest gives what an authentication request of a kind has; false if it has not
// come whole.
func authRequest(p []byte, kind uint32) (text string, whole bool, err error) {
	if len(p) < 9 || len(p) < 1+int(binary.BigEndian.Uint32(p[1:])) {
		return "", false, nil
	}
	if p[0] != 'R' || binary.BigEndian.Uint32(p[5:]) != kind {
		return "", false, fmt.Errorf("the pooler says %q", p)
	}
	return string(p[9:]), true, nil
}

// exchange sends a message and gives what an authentication request of a kind has.
func (c *client) exchange(message []byte, kind uint32) (string, error) {
	if err := c.send(message); err != nil {
		return "", err
	}
	var buf [4096]byte
	for n := 0; ; {
		got, err := c.read(buf[n:])
		if err != nil {
			return "", fmt.Errorf("%w; it has said %q", err, buf[:n])
		}
		n += got
		if text, whole, err := authRequest(buf[:n], kind); whole || err != nil {
			return text, err
		}
	}
}

// scram tells how many logins a second there are, each by SCRAM with keys that the client
// has kept, and none but the login.
func scram(ctx context.Context, b *bench, p *pooler) (values []float64, err error) {
	if err := p.askForSCRAM(ctx, b.db); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.askForNothing(ctx, b.db)) }()
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

// askForSCRAM restarts the pooler with clients that log in by SCRAM.
func (p *pooler) askForSCRAM(ctx context.Context, db *cluster.Cluster) (err error) {
	if p.scram, err = newSCRAMKeys(); err != nil {
		return err
	}
	return p.restart(ctx, db)
}

// askForNothing restarts it with clients that log in as at first.
func (p *pooler) askForNothing(ctx context.Context, db *cluster.Cluster) error {
	p.scram = nil
	return p.restart(ctx, db)
}
