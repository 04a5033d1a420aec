package ldap

import (
	"io"
	"net"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"pgweir/auth/hba"
)

func TestANameInAFilterIsOneValue(t *testing.T) {
	v := &Verifier{at: hba.Directory{Attribute: "uid"}}
	for _, user := range []string{"ann", "*", "a*b", "x)(uid=ann", `\2a`, "a\x00b", "é", "\xff"} {
		f, err := ldap.CompileFilter(v.filter(user))
		if err != nil || int(f.Tag) != ldap.FilterEqualityMatch || f.Children[1].Data.String() != user {
			t.Errorf("%q makes %s: %v", user, v.filter(user), err)
		}
	}
}

func TestAServerMaySayOnlySoMuch(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		_, _ = theirs.Write(make([]byte, 100))
		theirs.Close()
	}()
	data, err := io.ReadAll(&limitedConn{Conn: ours, left: 64})
	if len(data) != 64 || err != io.ErrUnexpectedEOF {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

// oneValue tells whether a name is that of four parts in which the first has this very
// value.
func oneValue(dn, value string) bool {
	if !utf8.ValidString(value) {
		return true // the library reads no other names
	}
	parsed, err := ldap.ParseDN(dn)
	return err == nil && len(parsed.RDNs) == 4 && len(parsed.RDNs[0].Attributes) == 1 &&
		strings.EqualFold(parsed.RDNs[0].Attributes[0].Type, "uid") && parsed.RDNs[0].Attributes[0].Value == value
}
