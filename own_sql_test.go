package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// What pgweir asks of a server runs in users' databases, under their
// search_path: a name that is not written in full may be theirs.

// foreignSQL are folders and files whose SQL is not pgweir's own, or runs on a
// throwaway server: workloads, and advice for operators.
var foreignSQL = []string{"demo/", "bench/", "integration/", "health/", "console/", "top/", "loadtest/workload.go", "cmd/pgweir/generate_text.go"}

// guardedSQL are texts, by the file and the name that they are declared with,
// that run under a search_path of pg_catalog alone, which their package tests.
var guardedSQL = map[[2]string]bool{{"session/proof/learn_sql.go", "learnQuestion"}: true}

var (
	sqlText     = regexp.MustCompile(`(?is)pg_catalog|^\W*(union\s+all\s+)?(select|with)\s+\S`)
	sqlString   = regexp.MustCompile(`'(?:[^']|'')*'`)
	sqlOperator = regexp.MustCompile(`(?i)operator\(pg_catalog\.[^)]*\)`)
	sqlStar     = regexp.MustCompile(`\(\*\)`)
	bareSign    = regexp.MustCompile(`[-+*/<>=~!@#%^&|?]+`)
	sqlSet      = regexp.MustCompile(`(?i)\bset\s+(local\s+)?[a-z_]+\s*=`)
	sqlCall     = regexp.MustCompile(`(\$?[A-Za-z_][A-Za-z0-9_.]*)\s*\(`)
	sqlCast     = regexp.MustCompile(`::\s*([A-Za-z_][A-Za-z0-9_.]*)`)
	sqlFrom     = regexp.MustCompile(`(?i)\b(?:from|join)\s+([A-Za-z_][A-Za-z0-9_.]*)`)
	simpleCase  = regexp.MustCompile(`(?i)\bcase\s+(\S+)`)
	plpgsql     = regexp.MustCompile(`(?i):=|\bforeach\s+[a-z_]+\s+in\s+array\b`) // which has no operator
	hiddenSign  = regexp.MustCompile(`(?i)\b(like|ilike|between|similar|using|natural|in|distinct\s+from)\b`)
)

// sqlWords may stand before a parenthesis.
var sqlWords = map[string]bool{
	"all": true, "and": true, "any": true, "array": true, "as": true, "coalesce": true, "exists": true, "extract": true, "from": true,
	"if": true, "greatest": true, "lateral": true, "least": true, "not": true, "on": true, "or": true, "select": true, "then": true, "when": true, "where": true,
}

// relationsOfUsers are asked for by name.
var relationsOfUsers = map[string]bool{"pgbench_branches": true}

// unqualified is what a text of SQL does not name in full; a part of a text may
// end in the midst of a string. A place that is filled in, as $name, has a whole
// name.
func unqualified(sql string) (found []string) {
	sql = sqlString.ReplaceAllString(sql, " s ")
	if i := strings.IndexByte(sql, '\''); i >= 0 {
		sql = sql[:i]
	}
	for _, m := range sqlFrom.FindAllStringSubmatch(sql, -1) {
		name := strings.ToLower(m[1])
		if !strings.HasPrefix(name, "pg_catalog.") && !sqlWords[name] && !relationsOfUsers[name] && !strings.HasSuffix(strings.ToLower(m[0]), "epoch from "+name) {
			found = append(found, "the relation "+m[1])
		}
	}
	sql = sqlSet.ReplaceAllString(sql, " set ")
	sql = sqlStar.ReplaceAllString(sqlOperator.ReplaceAllString(sql, " and "), "()")
	sql = plpgsql.ReplaceAllString(sql, " ")
	for _, m := range bareSign.FindAllString(sql, -1) {
		found = append(found, "the operator "+m)
	}
	for _, m := range hiddenSign.FindAllString(sql, -1) {
		found = append(found, "the operator of "+m)
	}
	for _, m := range sqlCall.FindAllStringSubmatch(sql, -1) {
		if name := strings.ToLower(m[1]); !strings.HasPrefix(name, "pg_catalog.") && !strings.HasPrefix(name, "$") && !sqlWords[name] {
			found = append(found, "the function "+m[1])
		}
	}
	for _, m := range sqlCast.FindAllStringSubmatch(sql, -1) {
		if !strings.HasPrefix(strings.ToLower(m[1]), "pg_catalog.") {
			found = append(found, "the type "+m[1])
		}
	}
	for _, m := range simpleCase.FindAllStringSubmatch(sql, -1) {
		if !strings.EqualFold(m[1], "when") {
			found = append(found, "the operator of CASE "+m[1])
		}
	}
	return found
}

func TestOwnSQLNamesEverythingInFull(t *testing.T) {
	texts, guarded := 0, 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(path)
		for _, f := range foreignSQL {
			if strings.HasPrefix(name+"/", f) || name == f {
				if d.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && guardedSQL[[2]string{name, v.Names[0].Name}] {
				guarded++
				return false
			}
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			sql, err := strconv.Unquote(lit.Value)
			if err != nil || !sqlText.MatchString(sql) {
				return true
			}
			texts++
			for _, what := range unqualified(sql) {
				t.Errorf("%s: %s is not named in full", set.Position(lit.Pos()), what)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if guarded != len(guardedSQL) {
		t.Errorf("%d of the %d texts that run under a guard are there", guarded, len(guardedSQL))
	}
	if texts < 20 {
		t.Errorf("only %d texts were found", texts)
	}
}

func TestWhatIsNotNamedInFullIsSeen(t *testing.T) {
	for sql, want := range map[string]string{
		"select pg_catalog.count(*) from pg_catalog.pg_class c where c.oid operator(pg_catalog.=) 0::pg_catalog.oid": "",
		"select 'a = b', 'it''s f(x)' from pg_catalog.pg_class":                                                      "",
		"select name from pg_catalog.pg_settings where source = 'client'":                                            "the operator =",
		"select 1 where pg_catalog.lower('A') operator(pg_catalog.=) upper('a')":                                     "the function upper",
		"select 'x'::text": "the type text",
		"set local search_path = pg_catalog; select 1 = 1":             "the operator =",
		"set local search_path = pg_catalog; select pg_catalog.now()":  "",
		"select $place() is not null":                                  "",
		"select 1 from pg_class":                                       "the relation pg_class",
		"select case x when 1 then 2 end":                              "the operator of CASE x",
		"select case when true then 2 end":                             "",
		"a := pg_catalog.now(); if (b) then return; end if":            "",
		"foreach x in array pg_catalog.f() loop":                       "",
		"a := pg_catalog.f() = y":                                      "the operator =",
		"select x in (1, 2)":                                           "the operator of in",
		"select x is distinct from y":                                  "the relation y, the operator of distinct from",
		"select extract(epoch from pg_catalog.now())":                  "",
		" UNION ALL SELECT 'x', pg_catalog.current_setting('y') || 'z": "the operator ||",
	} {
		if got := strings.Join(unqualified(sql), ", "); !sqlText.MatchString(sql) || !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%q: %q, want %q", sql, got, want)
		}
	}
}
