package pipeline_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestReasonsAreDocumented holds the list and the table of docs/errors.md
// together: the same words in the same order.
func TestReasonsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []pipeline.Reason
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllSubmatch(page, -1) {
		documented = append(documented, pipeline.Reason(row[1]))
	}
	if got := pipeline.Reasons(); !slices.Equal(got, documented) {
		t.Errorf("the code has\n%q, docs/errors.md has\n%q", got, documented)
	}
}

// TestReasonsAreComplete finds a constant that the list lacks, and the reverse.
func TestReasonsAreComplete(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var constants []pipeline.Reason
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for _, value := range spec.Values {
				if literal, ok := value.(*ast.BasicLit); ok {
					word, err := strconv.Unquote(literal.Value)
					if err != nil {
						t.Fatal(err)
					}
					constants = append(constants, pipeline.Reason(word))
				}
			}
		}
		return true
	})
	if got := pipeline.Reasons(); !slices.Equal(got, constants) {
		t.Errorf("the list has\n%q, the constants are\n%q", got, constants)
	}
	if sorted := slices.Sorted(slices.Values(constants)); len(slices.Compact(sorted)) != len(constants) {
		t.Errorf("a word stands twice in %q", constants)
	}
}

// TestReasonsBelongToTheCaller changes the slice that Reasons returned.
func TestReasonsBelongToTheCaller(t *testing.T) {
	pipeline.Reasons()[0] = "changed"
	if got := pipeline.Reasons()[0]; got != pipeline.ReasonMalformed {
		t.Errorf("the list was changed from outside: %q", got)
	}
}
