package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// reservedReasons are documented and not used yet.
var reservedReasons = map[string]bool{"duplicate": true, "foreign-record": true}

// The reasons of docs/errors.md, those that code gives, and those that have
// advice are the same.
func TestReasons(t *testing.T) {
	text, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(string(text), "\n## ")
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(table, -1) {
		documented[row[1]] = true
	}
	given := findReasons(t)
	if len(documented) < 10 || len(given) < 8 {
		t.Fatalf("documented %v, given %v", documented, given)
	}
	for reason, where := range given {
		if !documented[reason] {
			t.Errorf("%s: %q is not in docs/errors.md", where, reason)
		}
		if reservedReasons[reason] {
			t.Errorf("%s: %q is no longer reserved", where, reason)
		}
	}
	for reason := range documented {
		if given[reason] == "" && !reservedReasons[reason] {
			t.Errorf("docs/errors.md: no code gives %q", reason)
		}
		if (reasonHints[reason] == "") != reservedReasons[reason] {
			t.Errorf("advice about %q: %q", reason, reasonHints[reason])
		}
	}
	for reason := range reasonHints {
		if !documented[reason] {
			t.Errorf("advice about %q, which is not in docs/errors.md", reason)
		}
	}
}

// findReasons returns the reasons in all code, with one place of each: constants
// called Reason..., and texts that are the field Reason of a Reject or an Error.
func findReasons(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	set := token.NewFileSet()
	note := func(n ast.Expr) {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			text, _ := strconv.Unquote(literal.Value)
			found[text] = set.Position(n.Pos()).String()
		}
	}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2:
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if strings.HasPrefix(name.Name, "Reason") && i < len(n.Values) {
						note(n.Values[i])
					}
				}
			case *ast.CallExpr: // reject("reason", ...)
				if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "reject" && len(n.Args) > 0 {
					note(n.Args[0])
				}
			case *ast.CompositeLit:
				if !strings.HasSuffix(typeName(n.Type), "Reject") && !strings.HasSuffix(typeName(n.Type), "Error") {
					return true
				}
				for _, element := range n.Elts {
					if pair, ok := element.(*ast.KeyValueExpr); ok && typeName(pair.Key) == "Reason" {
						note(pair.Value)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// typeName returns the last name of a type or a key.
func typeName(n ast.Expr) string {
	switch n := n.(type) {
	case *ast.Ident:
		return n.Name
	case *ast.SelectorExpr:
		return n.Sel.Name
	}
	return ""
}
