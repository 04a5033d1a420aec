package wire

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// cut is a text's tokens, each with its kind's letter ahead.
func cut(sql string, nonconforming bool) (tokens []string) {
	l := lexer{sql: []byte(sql), backslashes: nonconforming}
	for t := l.next(); t.kind != tokenEnd; t = l.next() {
		tokens = append(tokens, " wqusnp;o"[t.kind:t.kind+1]+" "+sql[t.start:t.end])
	}
	return tokens
}

func TestTokensAreCutAsPostgreSQLCutsThem(t *testing.T) {
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{"", nil},
		{" \t\r\n\f\v-- x", nil},

		// comments
		{"a--b\nc", []string{"w a", "w c"}},
		{"a--b\rc", []string{"w a", "w c"}},
		{"a/*b/*c*/d*/e", []string{"w a", "w e"}},
		{"a/*b/*c*/d", []string{"w a"}},
		{"a/*/b*/c", []string{"w a", "w c"}},
		{"a*/*b*/c", []string{"w a", "o *", "w c"}},
		{"a-b/c-", []string{"w a", "o -", "w b", "o /", "w c", "o -"}},

		// words
		{"Set_1$ é$ _x", []string{"w Set_1$", "w é$", "w _x"}},
		{"a.b;c", []string{"w a", "o .", "w b", "; ;", "w c"}},

		// strings
		{`'a' 'b''c' 'd\' 'e`, []string{"s 'a'", "s 'b''c'", `s 'd\'`, "s 'e"}},
		{"'a'\n'b'", []string{"s 'a'", "s 'b'"}},
		{`E'a\'b' e'c''\'d' e'f\\' e'g\`, []string{`s E'a\'b'`, `s e'c''\'d'`, `s e'f\\'`, `s e'g\`}},
		{"E'a'\n'b\\'c' 'd'", []string{"s E'a'\n'b\\'c'", "s 'd'"}},
		{"E'a' --'\n 'b\\'c'", []string{"s E'a' --'\n 'b\\'c'"}},
		{"E'a' /*\n*/ 'b\\'", []string{"s E'a'", `s 'b\'`}},
		{`E'a' 'b\'`, []string{"s E'a'", `s 'b\'`}},
		{`fee'a\' E 'a\'`, []string{"w fee", `s 'a\'`, "w E", `s 'a\'`}},
		{`N'a' b'1' X'F' U&'\0061'`, []string{"w N", "s 'a'", "w b", "s '1'", "w X", "s 'F'", "w U", "o &", `s '\0061'`}},

		// identifiers
		{`"a""b"."c\" "d`, []string{`q "a""b"`, "o .", `q "c\"`, `q "d`}},
		{`U&"a""b"u&"c`, []string{`u U&"a""b"`, `u u&"c`}},
		{`xu&"a" U &"b" u& "c"`, []string{"w xu", "o &", `q "a"`, "w U", "o &", `q "b"`, "w u", "o &", `q "c"`}},
		{`$$a$$u&"b"`, []string{"s $$a$$", `u u&"b"`}},

		// dollars
		{"$$a'$b$ $$ $é1$x$$y$é1$", []string{"s $$a'$b$ $$", "s $é1$x$$y$é1$"}},
		{"$1,$23::int $1a$", []string{"p $1", "o ,", "p $23", "o :", "o :", "w int", "p $1a$"}},
		{"a$b$ $ $x", []string{"w a$b$", "o $", "o $", "w x"}},
		{"$a$ $A$", []string{"s $a$ $A$"}},

		// numbers and operators
		{"1 1.5e3 .5 1e-3 0x1F 1_000", []string{"n 1", "n 1.5e3", "o .", "n 5", "n 1e", "o -", "n 3", "n 0x1F", "n 1_000"}},
		{"a<=b", []string{"w a", "o <", "o =", "w b"}},
	} {
		if got := cut(c.sql, false); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.sql, got, c.want)
		}
	}
}

func TestBackslashesEscapeInEveryStringOfANonconformingText(t *testing.T) {
	got := cut("'a\\'b'\n'c\\'d' \"e\\\" $$f\\$$", true)
	if want := []string{"s 'a\\'b'\n'c\\'d'", `q "e\"`, `s $$f\$$`}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// lexedShape is the shape that Read should give, made of the lexer's tokens.
func lexedShape(sql, types []byte, nonconforming bool) Shape {
	s := shaper{types: types, lastEnd: -1}
	l := lexer{sql: sql, backslashes: nonconforming}
	for t := l.next(); t.kind != tokenEnd; t = l.next() {
		text := sql[t.start:t.end]
		switch t.kind {
		case tokenWord:
			h, part := uint64(0), uint64(0)
			for i, c := range text {
				if part = part<<8 | uint64(lower(c)); i%8 == 7 {
					h, part = MixShape(h, part), 0
				}
			}
			s.word(text, h^part)
		case tokenQuoted:
			s.quoted(text)
		case tokenUnicode:
			s.unreadable = true
		case tokenString:
			s.constant(shapeString)
		case tokenNumber:
			s.number(text)
		case tokenParameter:
			s.parameter(text[1:])
		case tokenSemicolon, tokenOther:
			s.mark(text[0], t.end)
		}
	}
	return s.shape()
}

func checkCut(t *testing.T, sql []byte) {
	types := []byte{0, 0, 0, 23, 0, 0, 0, 25}
	for _, nonconforming := range []bool{false, true} {
		if _, shape := Read(sql, types, nonconforming); shape != lexedShape(sql, types, nonconforming) {
			t.Fatalf("%q (nonconforming: %v): Read cuts other tokens than the lexer, which are %q", sql, nonconforming, cut(string(sql), nonconforming))
		}
	}
}

func TestReadCutsTheTokensOfTheLexer(t *testing.T) {
	for _, c := range benchSQL {
		checkCut(t, []byte(c.sql))
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 50_000 {
		checkCut(t, []byte(randomSQL(r)))
	}
}

func FuzzLexer(f *testing.F) {
	for _, s := range append(nameSeeds, "E'a'\n'b\\'", "$a$ $b$ $a$u&\"x\"", "1.u&\"x\"", "/*/**/", "$1$2", "-") {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, sql []byte) {
		checkCut(t, sql)
		// No token is lost, and none overlaps: between them are blanks and comments.
		end := 0
		l := lexer{sql: sql}
		for more := true; more; {
			token := l.next()
			more = token.kind != tokenEnd
			if skipBlanks(sql, end) != token.start || token.end <= token.start && more || token.end > len(sql) {
				t.Fatalf("%q: %v behind %d", sql, token, end)
			}
			end = token.end
		}
		if end != len(sql) {
			t.Fatalf("%q is read to %d only", sql, end)
		}
	})
}

func TestReadersTakeLinearTime(t *testing.T) {
	for _, piece := range []string{"'", `\'`, "E'\\", "$a", "$a$", "/*", "--\n", "e'a'\n", "set_config(", `u&"`, "1.", "set session "} {
		sql := []byte(strings.Repeat(piece, 1<<20/len(piece)))
		for _, read := range []func(){
			func() { Read(sql, nil, false) },
			func() { Read(sql, nil, true) },
			func() { Names(sql, false, func(Name) {}) },
		} {
			start := time.Now()
			read()
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("a megabyte of %q took %v", piece, took)
			}
		}
	}
}
