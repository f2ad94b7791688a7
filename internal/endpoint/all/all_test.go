package all

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

// Every row of the table is complete.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Table() {
		if seen[s.Name] {
			t.Errorf("%s stands twice", s.Name)
		}
		seen[s.Name] = true
		if !strings.HasPrefix(s.Form, s.Name+":") || s.Text == "" || strings.HasSuffix(s.Text, ".") {
			t.Errorf("%s: form %q, text %q", s.Name, s.Form, s.Text)
		}
		for _, url := range []string{s.Plain, s.Sealed, s.Copy} {
			a, err := address.Parse(url)
			if err != nil || a.Scheme != s.Name {
				t.Errorf("%s: the example %q is not one of it: %v", s.Name, url, err)
			}
			if _, err := Table().Parse(url, endpoint.Look); err != nil {
				t.Errorf("%s: %v", url, err)
			}
		}
		for _, as := range []endpoint.Role{endpoint.From, endpoint.Look, endpoint.To, endpoint.DeadLetters} {
			names := map[string]bool{}
			for _, d := range s.Params(as) {
				if err := d.Check(); err != nil || names[d.Name] {
					t.Errorf("%s as %q: %s: %v, twice: %v", s.Name, as, d.Name, err, names[d.Name])
				}
				names[d.Name] = true
			}
			if len(names) == 0 {
				t.Errorf("%s as %q has no parameters", s.Name, as)
			}
		}
	}
}

// mayNameSchemes are the folders whose code may name a scheme: the rooms and
// their table, connectors, the room of keys and their stores (which has a table
// of its own), and a demonstration that brings its own server.
var mayNameSchemes = []string{
	"internal/endpoint/all", "internal/endpoint/file", "internal/endpoint/kafka", "internal/endpoint/nats",
	"connectors", "keystore", "internal/keyring", "cmd/streamcrypt/internal/demo",
	"bench", "testcontainers", // modules of their own, which use the program as people do
}

// No other code writes the URL of a scheme, or asks which kind of end something
// is: by comparing with the name of a scheme, or by importing a room.
func TestSchemesAreNamedInTheirRooms(t *testing.T) {
	const root = "../../.."
	names := strings.Join(Table().Names(), "|")
	w := &watchman{
		T: t, set: token.NewFileSet(),
		name: regexp.MustCompile(`^(` + names + `)$`),
		url:  regexp.MustCompile(`(^|[^a-z-])(` + names + `):([^ ]|$)`),
		room: regexp.MustCompile(`/internal/endpoint/(` + names + `)$`),
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains(mayNameSchemes, filepath.ToSlash(folder)) || strings.HasPrefix(folder, ".") && folder != "."):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		return w.readFile(path)
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.files < 150 {
		t.Errorf("only %d files were looked at", w.files)
	}
}

// watchman finds schemes in code.
type watchman struct {
	*testing.T
	set             *token.FileSet
	name, url, room *regexp.Regexp
	files           int
}

func (w *watchman) readFile(path string) error {
	file, err := parser.ParseFile(w.set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	w.files++
	for _, i := range file.Imports {
		if text, _ := strconv.Unquote(i.Path.Value); w.room.MatchString(text) {
			w.Errorf("%s: imports the room %s", w.set.Position(i.Pos()), text)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.BasicLit:
			w.checkText(n)
		case *ast.BinaryExpr:
			w.checkNames(n.X, n.Y)
		case *ast.CaseClause:
			w.checkNames(n.List...)
		case *ast.CompositeLit:
			w.checkNames(n.Elts...)
		case *ast.KeyValueExpr:
			w.checkNames(n.Key, n.Value)
		case *ast.IndexExpr:
			w.checkNames(n.Index)
		}
		return true
	})
	return nil
}

// checkText refuses a text with a URL.
func (w *watchman) checkText(n *ast.BasicLit) {
	if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil && w.url.MatchString(text) {
		w.Errorf("%s: writes a URL: %s", w.set.Position(n.Pos()), n.Value)
	}
}

// checkNames refuses values that are the name of a scheme.
func (w *watchman) checkNames(all ...ast.Expr) {
	for _, n := range all {
		literal, ok := n.(*ast.BasicLit)
		if !ok {
			continue
		}
		if text, err := strconv.Unquote(literal.Value); err == nil && w.name.MatchString(text) {
			w.Errorf("%s: asks for a scheme: %s", w.set.Position(n.Pos()), literal.Value)
		}
	}
}

// FuzzParse reads any text as a URL of any role. A password before a host is
// never repeated.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"file:a.scx?append=true", "file:///-", "kafka://h:1,h/t?group=g&start=-1h&partitions=0,1", "nats:///S?context=c&until=latest",
		"nats://joe:hunter2@h/S?subject=a.>", "nats:joe:hunter2@h/S", "kafka://[::1]:9/t?until=5&sasl=plain&user=u&password-file=p",
	} {
		f.Add(s)
	}
	table := Table()
	password := regexp.MustCompile(`^(kafka|nats):(//)?[^/?]*hunter2@`)
	f.Fuzz(func(t *testing.T, url string) {
		for _, as := range []endpoint.Role{endpoint.From, endpoint.Look, endpoint.To, endpoint.DeadLetters} {
			if strings.Contains(url, "context=") {
				return // contexts are files of the user
			}
			e, err := table.Parse(url, as)
			switch {
			case err == nil:
				if traits := e.Traits(); traits.Name == "" || traits.Identity == "" {
					t.Errorf("%q: %+v", url, traits)
				}
				if _, records := e.(endpoint.Records); records == endpoint.IsRaw(e) {
					t.Errorf("%q holds records: %v, is raw: %v", url, records, endpoint.IsRaw(e))
				}
			case password.MatchString(url) && strings.Contains(err.Error(), "hunter2"):
				t.Errorf("%q: the error repeats a password: %v", url, err)
			}
		}
	})
}
