package config

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	// minToken keeps out what could be guessed by asking: 16 random characters
	// are 96 bits.
	minToken = 16
	maxToken = 512
	// maxTokens bounds how many each request is compared with.
	maxTokens = 100
)

// TokenDigest is the SHA-256 of a token: it tells a token when it comes, and
// does not give it away.
type TokenDigest = [sha256.Size]byte

// parseTokens reads a token from each line. Empty lines, and those that begin
// with "#", are none. The error names the line, and no token.
func parseTokens(data []byte) (out []TokenDigest, err error) {
	err = eachToken(data, func(token string) { out = append(out, sha256.Sum256([]byte(token))) })
	if err != nil {
		return nil, err
	}
	return out, nil
}

// distinct finds a token that would make an admin of whoever may only read.
func distinct(readers, admins []TokenDigest) error {
	for _, token := range admins {
		if slices.Contains(readers, token) {
			return errors.New("a token in it is one of http_token_file, too: whoever may read could read statements")
		}
	}
	return nil
}

func eachToken(data []byte, use func(string)) error {
	n, number := 0, 0
	for line := range bytes.Lines(bytes.TrimPrefix(data, []byte("\ufeff"))) {
		number++
		token := string(bytes.TrimSpace(line))
		if token == "" || token[0] == '#' {
			continue
		}
		if n++; n > maxTokens {
			return fmt.Errorf("more than %d tokens", maxTokens)
		}
		if len(token) < minToken || len(token) > maxToken || !isToken(token) {
			return fmt.Errorf("line %d: a token has %d to %d characters, of A-Z a-z 0-9 - . _ ~ + / and = at its end", number, minToken, maxToken)
		}
		use(token)
	}
	if n == 0 {
		return errors.New("no token in it")
	}
	return nil
}

// isToken tells whether a text can be a bearer token (RFC 6750, 2.1).
func isToken(s string) bool {
	s = strings.TrimRight(s, "=")
	for _, c := range []byte(s) {
		if !(isBareKey(string(c)) || strings.IndexByte(".~+/", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// ReadToken gives the first token of a file in the form of http_token_file, for a
// program that is to show it.
func ReadToken(path string) (string, error) {
	data, err := readFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", printable(path), err)
	}
	var first string
	err = eachToken(data, func(token string) {
		if first == "" {
			first = token
		}
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", printable(path), err)
	}
	return first, nil
}
