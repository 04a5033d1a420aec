package proof

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheObjectsAreReadUnderTheGuard: the text that reads them does not name
// everything in full, so it never runs without, and nothing else has it.
func TestTheObjectsAreReadUnderTheGuard(t *testing.T) {
	if !strings.Contains(guard, "SET LOCAL search_path = pg_catalog, pg_temp;") {
		t.Errorf("the guard has another search_path: %s", guard)
	}
	for parts := range Reason(1) << 14 {
		q := Question{Parts: parts | PartLearn, Names: "{}", Dblink: "public.dblink_get_connections"}
		if sql := string(q.Append(nil)); !strings.HasPrefix(sql, guard) || !strings.Contains(sql, learnQuestion) {
			t.Fatalf("the parts %b are asked as %.200s", q.Parts, sql)
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	uses := 0
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && id.Name == "learnQuestion" {
				uses++
			}
			return true
		})
	}
	if uses != 2 {
		t.Errorf("learnQuestion stands in %d places, not in its declaration and among the parts alone", uses)
	}
}
