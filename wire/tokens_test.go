package wire

import (
	"fmt"
	"strings"
	"testing"
)

func tokensOf(sql string) string {
	var found []string
	Tokens([]byte(sql), false, func(kind TokenKind, text []byte) {
		found = append(found, fmt.Sprintf("%c:%s", "nso"[kind], text))
	})
	return strings.Join(found, " ")
}

func TestTokensAreAsPostgreSQLReadsThem(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{"", ""},
		{"select Foo.\"Bar\"('a''b', 1)", "n:select n:foo n:Bar s:a'b"},
		{"a <> b === c", "n:a o:<> n:b o:=== n:c"},
		{"a < > b", "n:a o:< o:> n:b"},
		{"a -- b\n+ c /* d */", "n:a o:+ n:c"},
		{"$$x y$$ E'\\n' $1", "s:x y s:\n"},
		{`U&"\0061"`, "n:"},
		{"'unfinished", "s:"},
		{"a=", "n:a o:="},
	} {
		if got := tokensOf(c.sql); got != c.want {
			t.Errorf("%q: %q, want %q", c.sql, got, c.want)
		}
	}
}

func FuzzTokens(f *testing.F) {
	for _, s := range append(nameSeeds, "a<b", "'a' $$ b", `"x`) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, sql []byte) {
		for _, nonconforming := range []bool{false, true} {
			Tokens(sql, nonconforming, func(kind TokenKind, text []byte) {
				if kind == TokenOperator && len(text) == 0 {
					t.Fatalf("%q has an operator of nothing", sql)
				}
			})
		}
	})
}
