package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The file may be run again; what generate prints is for once.
func TestGeneratePrintsTheFunctionOfTheFile(t *testing.T) {
	text, err := os.ReadFile("../../docs/sql/auth-query.sql")
	if err != nil {
		t.Fatal(err)
	}
	bare := func(sql string) string {
		sql = regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(sql, "")
		sql = strings.NewReplacer("IF NOT EXISTS ", "", "OR REPLACE ", "").Replace(sql)
		sql = strings.Join(strings.Fields(sql), " ")
		_, after, found := strings.Cut(sql, "CREATE SCHEMA ")
		if !found {
			t.Fatalf("no schema is made: %s", sql)
		}
		return strings.TrimSuffix(after, " COMMIT;")
	}
	if printed, file := bare(secretOf), bare(string(text)); printed != file {
		t.Errorf("generate prints\n%s\nand docs/sql/auth-query.sql has\n%s", printed, file)
	}
}
