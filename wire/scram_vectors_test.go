package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

// TestSCRAMClientFollowsTheExampleOfRFC7677 with every message as it stands there: by
// the password, and by the keys of it.
func TestSCRAMClientFollowsTheExampleOfRFC7677(t *testing.T) {
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	clientKey, serverKey := scramKeys("pencil", salt, 4096)
	for what, c := range map[string]*SCRAMClient{
		"the password": NewSCRAMClient("pencil", rfcClientNonce),
		"the keys":     NewSCRAMClientKeys(clientKey, serverKey, rfcClientNonce),
	} {
		c.user = "user" // the example's client gives a name
		if got := string(c.First()); got != rfcClientFirst {
			t.Errorf("%s: it begins with %s, want %s", what, got, rfcClientFirst)
		}
		if got, err := c.Continue([]byte(rfcServerFirst)); err != nil || string(got) != rfcClientFinal {
			t.Errorf("%s: it ends with %s, %v; want %s", what, got, err, rfcClientFinal)
		}
		if err := c.Final([]byte(rfcServerFinal)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestTheNameInSCRAMIsNotLookedAt, be it escaped (RFC 5802, 5.1) or not: as in
// PostgreSQL, that of the startup packet counts.
func TestTheNameInSCRAMIsNotLookedAt(t *testing.T) {
	for _, name := range []string{"", "user", "=2C=3D", "a=2Cb", "=", "=2", "=ZZ", "\xff", "é", strings.Repeat("x", 1000)} {
		s := NewSCRAMServer(rfcSecret(t), rfcServerNonce)
		first := "n,,n=" + name + ",r=" + rfcClientNonce
		answer, err := s.First([]byte(first))
		if err != nil || string(answer) != rfcServerFirst {
			t.Errorf("%q: %q, %v", name, answer, err)
			continue
		}
		// It is signed as it came.
		clientKey, _ := scramKeys("pencil", rfcSecret(t).Salt, 4096)
		stored := sha256.Sum256(clientKey)
		message := first[3:] + "," + rfcServerFirst + "," + rfcNoProof
		signature := hmacSHA256(stored[:], []byte(message))
		proof := base64.StdEncoding.EncodeToString(xorKeys(clientKey, signature[:]))
		if _, _, err := s.Final([]byte(rfcNoProof + ",p=" + proof)); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestPasswordsArePreparedAsTheExamplesOfRFC4013: those of section 3, and what
// PostgreSQL leaves as it is where the RFC has an error.
func TestPasswordsArePreparedAsTheExamplesOfRFC4013(t *testing.T) {
	for password, want := range map[string]string{
		"I\u00adX": "IX", "user": "user", "USER": "USER", "\u00aa": "a", "\u2168": "IX",
		"\x07": "\x07", "\u06271": "\u06271",
		"a\u00a0b": "a b", "a\u3000b": "a b", "e\u0301": "\u00e9", "\u212b": "\u00c5", "\ufb01": "fi",
	} {
		if got := prepPassword(password); got != want {
			t.Errorf("%q becomes %q, want %q", password, got, want)
		}
	}
}
