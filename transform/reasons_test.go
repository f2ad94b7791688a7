package transform_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestEnvelopeReasons holds the words of package envelope to be a part of the
// pipeline's closed list: a Reject takes them over as they are.
func TestEnvelopeReasons(t *testing.T) {
	files, err := filepath.Glob("../envelope/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Reason" {
				return true
			}
			for _, value := range spec.Values {
				word, err := strconv.Unquote(value.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				found++
				if !slices.Contains(pipeline.Reasons(), pipeline.Reason(word)) {
					t.Errorf("%s: %q is not in the closed list", name, word)
				}
			}
			return true
		})
	}
	if found < 8 {
		t.Errorf("only %d reasons were found in package envelope", found)
	}
}
