package wire

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const pgproto3Path = "github.com/jackc/pgproto3/v2"

// fenceBreaches lists the places in a source file that let pgproto3 read
// bytes: it trusts lengths and counts that a peer claims.
func fenceBreaches(fset *token.FileSet, name string, src any) ([]string, error) {
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	local := ""
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		if path == pgproto3Path {
			local = "pgproto3"
			if spec.Name != nil {
				local = spec.Name.Name
			}
		}
	}
	var found []string
	note := func(n ast.Node, what string) {
		found = append(found, fmt.Sprintf("%s: %s", fset.Position(n.Pos()), what))
	}
	if local == "" {
		return nil, nil
	}
	if local == "." {
		note(file, "dot import of pgproto3")
	}
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, isName := sel.X.(*ast.Ident)
		switch sel.Sel.Name {
		case "NewBackend", "NewFrontend", "NewChunkReader":
			if isName && x.Name == local {
				note(sel, "pgproto3."+sel.Sel.Name)
			}
		case "Backend", "Frontend", "ChunkReader":
			if isName && x.Name == local {
				note(sel, "type pgproto3."+sel.Sel.Name)
			}
		// Without types it is not known whose method this is. A file that
		// builds messages with pgproto3 has no need of either.
		case "Receive", "Decode":
			note(sel, "."+sel.Sel.Name+" in a file that imports pgproto3")
		}
		return true
	})
	return found, nil
}

func TestNobodyLetsPgproto3ReadBytes(t *testing.T) {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		parent := filepath.Dir(root)
		if parent == root {
			t.Fatal("no go.mod above this package")
		}
		root = parent
	}
	files := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		found, err := fenceBreaches(token.NewFileSet(), path, nil)
		for _, f := range found {
			t.Error(f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Errorf("only %d source files were looked at", files)
	}
}

func TestTheFenceSeesEveryWayToReadBytes(t *testing.T) {
	for _, c := range []struct {
		src    string
		breach bool
	}{
		{`import "github.com/jackc/pgproto3/v2"; var _ = pgproto3.NewBackend(nil, nil)`, true},
		{`import p "github.com/jackc/pgproto3/v2"; var f = p.NewFrontend`, true},
		{`import p "github.com/jackc/pgproto3/v2"; func f(b *p.Backend) {}`, true},
		{`import . "github.com/jackc/pgproto3/v2"; var _ = Query{}`, true},
		{`import "github.com/jackc/pgproto3/v2"; func f(q *pgproto3.Query) { q.Decode(nil) }`, true},
		{`import "github.com/jackc/pgproto3/v2"; func f(q interface{ Receive() }) { q.Receive(); _ = pgproto3.Query{} }`, true},
		{`import "github.com/jackc/pgproto3/v2"; func f(q *pgproto3.Query) { q.Encode(nil) }`, false},
		{`import "github.com/jackc/pgx/v5/pgproto3"; var _ = pgproto3.NewBackend(nil, nil)`, false},
		{`func f(q interface{ Receive() }) { q.Receive() }`, false},
	} {
		found, err := fenceBreaches(token.NewFileSet(), "x.go", "package x; "+c.src)
		if err != nil || (len(found) > 0) != c.breach {
			t.Errorf("%s: %v, %v", c.src, found, err)
		}
	}
}
