package session

import (
	"testing"

	"pgweir/wire"
)

// TestAStatementThatIsSentAgainIsReadAsIfItWereNew: it is not looked through once
// more, which must not show where settings say that it reads otherwise now.
func TestAStatementThatIsSentAgainIsReadAsIfItWereNew(t *testing.T) {
	texts := []string{
		`select 1`, `select $1`, `SELECT abalance FROM pgbench_accounts WHERE aid = $1`,
		`select 'a\'; set work_mem = 1; --'`, `select '\'' as a, 'b'`,
		"select 'caf\xc3\xa9'", "select 'a\x83\x5c'; set work_mem = 1; --'", "listen a", "begin",
	}
	settings := []wire.Vars{startVars, *startVars.With(wire.VarStandardConformingStrings, "off"), *startVars.With(wire.VarClientEncoding, "SJIS")}
	types := [][]byte{{0, 0}, {0, 1, 0, 0, 0, 23}}
	for _, text := range texts {
		for _, first := range settings {
			for _, then := range settings {
				for _, before := range types {
					for _, after := range types {
						s := newRig(t, &transactionMode).s
						s.vars = &first
						s.ownUnnamed().unnamedParse = wire.AppendParseBody(nil, "", append([]byte(text+"\x00"), before...))
						s.noteUnnamed(s.scan([]byte(text), parameterTypes(before)))
						fresh := newRig(t, &transactionMode).s
						s.vars, fresh.vars = &then, &then
						h, shape := s.scan([]byte(text), parameterTypes(after))
						wantHints, wantShape := fresh.scan([]byte(text), parameterTypes(after))
						if h != wantHints || shape != wantShape {
							t.Errorf("%q is read as %b, %x, want %b, %x", text, h, shape, wantHints, wantShape)
						}
					}
				}
			}
		}
	}
}
