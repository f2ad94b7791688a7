package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
)

const (
	commentWidth  = 80 // columns of a comment line; a tab counts 4
	markdownWidth = 200
)

// figures are the counts of one file, or of many.
type figures struct {
	words     int // of comments, errors, hints and prose
	relatives int // "what", "whoever" and the like where a noun belongs
	openers   int // sentences that begin with What, Who, That or Else
	wide      int // comment lines over commentWidth
	long      int // Markdown lines over markdownWidth
	functions int
	oneWord   int // functions whose name is one word, but for those that an interface demands
}

func (f figures) perThousand() float64 {
	if f.words == 0 {
		return 0
	}
	return 1000 * float64(f.relatives) / float64(f.words)
}

func (f figures) oneWordPercent() int {
	if f.functions == 0 {
		return 0
	}
	return 100 * f.oneWord / f.functions
}

// measureFile measures a Go file that is no test, or a Markdown file.
func measureFile(path string) (f figures, measured bool, err error) {
	isGo := strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go")
	if !isGo && !strings.HasSuffix(path, ".md") {
		return f, false, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return f, false, err
	}
	if !isGo {
		return measureMarkdown(string(text)), true, nil
	}
	f, err = measureGo(path, text)
	return f, err == nil, err
}

var (
	relative = regexp.MustCompile(`(?i)\b(?:what|whoever|whatever|whose|whom)\b`)
	opener   = regexp.MustCompile(`(?:^|[.;:] )(?:What|Who|That|Else)\b`)
	word     = regexp.MustCompile(`[A-Za-z']+`)
	nameWord = regexp.MustCompile(`[A-Z]?[a-z0-9]+|[A-Z]+`)
)

// addText counts one passage of prose.
func (f *figures) addText(text string) {
	f.words += len(word.FindAllString(text, -1))
	f.relatives += len(relative.FindAllString(text, -1))
	f.openers += len(opener.FindAllString(text, -1))
}

func measureGo(path string, text []byte) (figures, error) {
	var f figures
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, path, text, parser.ParseComments)
	if err != nil {
		return f, err
	}
	if ast.IsGenerated(tree) {
		return f, nil
	}
	for _, group := range tree.Comments {
		f.addText(strings.Join(proseOf(group), " "))
	}
	for line := range strings.Lines(string(text)) {
		if isWideComment(line) {
			f.wide++
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			f.addFunction(n)
		case *ast.CallExpr:
			if isErrorCall(n) {
				f.addLiteral(n.Args[0])
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Hint" {
				f.addLiteral(n.Value)
			}
		}
		return true
	})
	return f, nil
}

// proseOf returns the lines of a comment that are prose: neither directives
// nor drawings and examples, which are indented.
func proseOf(group *ast.CommentGroup) (lines []string) {
	for _, c := range group.List {
		text, ok := strings.CutPrefix(c.Text, "//")
		if !ok || strings.HasPrefix(text, "go:") || strings.HasPrefix(text, "nolint") ||
			strings.HasPrefix(text, "\t") || strings.HasPrefix(text, "  ") {
			continue
		}
		lines = append(lines, strings.TrimSpace(text))
	}
	return lines
}

// isWideComment tells whether a line is a comment alone and too wide. One that
// has a link, or a directive, cannot be wrapped.
func isWideComment(line string) bool {
	trimmed := strings.TrimSpace(line)
	if !strings.HasPrefix(trimmed, "//") || strings.HasPrefix(trimmed, "//go:") || strings.Contains(line, "://") {
		return false
	}
	return len([]rune(strings.ReplaceAll(strings.TrimRight(line, "\n"), "\t", "    "))) > commentWidth
}

// demanded are method names that interfaces of the standard library demand.
var demanded = map[string]bool{
	"Close": true, "Error": true, "Is": true, "Len": true, "Less": true, "Open": true, "Read": true, "Reset": true,
	"Run": true, "Seek": true, "String": true, "Swap": true, "Sync": true, "Unwrap": true, "Write": true,
	"main": true, "init": true,
}

func (f *figures) addFunction(n *ast.FuncDecl) {
	f.functions++
	if len(nameWord.FindAllString(n.Name.Name, -1)) == 1 && !demanded[n.Name.Name] {
		f.oneWord++
	}
}

// isErrorCall tells whether a call makes an error of a text.
func isErrorCall(call *ast.CallExpr) bool {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return false
	}
	pkg, ok := selector.X.(*ast.Ident)
	return ok && (pkg.Name == "errors" && selector.Sel.Name == "New" ||
		pkg.Name == "fmt" && selector.Sel.Name == "Errorf")
}

func (f *figures) addLiteral(e ast.Expr) {
	if literal, ok := e.(*ast.BasicLit); ok && literal.Kind == token.STRING {
		if text, err := strconv.Unquote(literal.Value); err == nil {
			f.addText(text)
		}
	}
}

// measureMarkdown leaves out code and, for the width, tables.
func measureMarkdown(text string) (f figures) {
	code := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
			continue
		}
		if code {
			continue
		}
		f.addText(line)
		if len([]rune(line)) > markdownWidth && !strings.HasPrefix(line, "|") {
			f.long++
		}
	}
	return f
}
