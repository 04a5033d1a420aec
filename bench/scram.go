package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// scramKeys are what a client keeps that logs in by SCRAM-SHA-256 again and again, as
// drivers do: it derives nothing from its password then, and the pooler is what is
// measured.
type scramKeys struct {
	salt           []byte
	iterations     int
	client, stored []byte
	secret         string // as the pooler has it, in PostgreSQL's form
}

const (
	scramPassword       = "bench"
	scramIterations     = 4_096
	scramIterationsMost = 100_000
)

func newSCRAMKeys() (*scramKeys, error) {
	salt := make([]byte, 16)
	rand.Read(salt)
	return deriveKeys(salt, scramIterations)
}

func deriveKeys(salt []byte, iterations int) (*scramKeys, error) {
	salted, err := pbkdf2.Key(sha256.New, scramPassword, salt, iterations, sha256.Size)
	if err != nil {
		return nil, err
	}
	k := &scramKeys{salt: salt, iterations: iterations, client: sign(salted, "Client Key")}
	stored := sha256.Sum256(k.client)
	k.stored = stored[:]
	b64 := base64.StdEncoding.EncodeToString
	k.secret = fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, b64(salt), b64(k.stored), b64(sign(salted, "Server Key")))
	return k, nil
}

// fit are the keys for a pooler's salt. One that has no such secret, but the password,
// has a salt of its own, and its clients have to derive theirs.
func (k *scramKeys) fit(salt64, count string) (*scramKeys, error) {
	salt, err := base64.StdEncoding.DecodeString(salt64)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > scramIterationsMost {
		return nil, fmt.Errorf("the pooler wants %q iterations", count)
	}
	if n == k.iterations && bytes.Equal(salt, k.salt) {
		return k, nil
	}
	return deriveKeys(salt, n)
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
	nonce, rest, _ := strings.Cut(strings.TrimPrefix(challenge, "r="), ",s=")
	salt, count, ok := strings.Cut(rest, ",i=")
	if !ok || !strings.HasPrefix(nonce, p.nonce) {
		return nil, fmt.Errorf("the pooler says %q", challenge)
	}
	keys, err := p.keys.fit(salt, count)
	if err != nil {
		return nil, err
	}
	final := "c=biws,r=" + nonce
	proof := sign(keys.stored, p.bare()+","+challenge+","+final)
	subtle.XORBytes(proof, proof, keys.client)
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
