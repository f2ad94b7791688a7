package file

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	connector "github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

func TestOutputNames(t *testing.T) {
	for _, c := range []struct {
		path string
		q    params
		name string
		want string // "" if the path is refused
	}{
		{"out/{name}.scx", params{}, "a.ndjson.gz", "out/a.scx"},
		{"out/{name}.scx", params{}, "2026/01/a.ndjson", "out/2026/01/a.scx"},
		{"out/x-{name}.ndjson.zst", params{}, "a.scx", "out/x-a.ndjson.zst"},
		{"{name}.ndjson", params{}, "a.txt.gz", "a.txt.ndjson"},
		{"out/{name}/part.scx", params{}, "a.jsonl", "out/a/part.scx"},
		{"/out/", params{format: format.Seq}, "a.ndjson", "/out/a.scx"},
		{"out/", params{format: format.NDJSON, compression: "zstd"}, "a.scx", "out/a.ndjson.zst"},
		{"out/", params{format: format.Lines}, "a", "out/a.txt"},
		{"out/", params{}, "a", ""},
		{"out/{name}", params{}, "a", ""},
		{"out/{name}-{name}.scx", params{}, "a", ""},
		{"out/{name}.scx", params{append: true}, "a", ""},
	} {
		f, err := newFolderSink(location{path: c.path}, c.q)
		if err != nil {
			if c.want != "" {
				t.Errorf("%s: %v", c.path, err)
			}
			continue
		}
		if got := f.pathOf(c.name); got != c.want {
			t.Errorf("%s of %s: got %q, want %q", c.path, c.name, got, c.want)
		}
	}
}

func TestFolderFormat(t *testing.T) {
	for path, want := range map[string]format.Format{
		"x/*.ndjson": format.NDJSON, "x/*.scx.zst": format.Seq, "x/*.ndjson*": format.NDJSON, "x/**/*.jsonl.gz": format.NDJSON,
		"x": "", "x/*": "", "x/*.txt": "",
	} {
		f, err := newFolder(location{path: path}, params{})
		if err == nil && f.format != want || (err == nil) != (want != "") {
			t.Errorf("%s: %v", path, err)
		}
		if err != nil && !strings.Contains(err.Error(), "records of one format") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestOutputAmongInputs: a file that the route writes and that the pattern
// stands for is refused before it exists, since the next run would read it.
func TestOutputAmongInputs(t *testing.T) {
	root := endpoint.ResolvePath(t.TempDir())
	if err := os.WriteFile(filepath.Join(root, "a.ndjson"), []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, each, one, checkpoint string
		refused                     bool
	}{
		{"", "{name}.scx", "", "", true},
		{"", "sealed/{name}.scx", "", "", false},
		{"*.ndjson", "{name}.scx", "", "", false},
		{"*.ndjson", "x-{name}.ndjson", "", "", true},
		{"**/*.ndjson", "deep/{name}.ndjson", "", "", true},
		{"**/*.ndjson", ".deep/{name}.ndjson", "", "", false},
		{"", "", "all.scx", "", true},
		{"*.ndjson", "", "all.scx", "", false},
		{"*.ndjson", "", "dead.ndjson", "", true},
		{"*.ndjson", "", "../dead.ndjson", "", false},
		{"*.ndjson", "", "a.ndjson", "", true},
		{"", "", "", "ck", true},
		{"", "", "", ".ck", false},
		{"*.ndjson", "", "", "ck", false},
	} {
		found, err := connector.FindFiles(filepath.Join(root, c.from))
		if err != nil {
			t.Fatal(err)
		}
		s := &endpoint.Session{}
		if c.checkpoint != "" {
			s.Checkpoint = filepath.Join(root, c.checkpoint)
		}
		if c.one != "" {
			s.Written = []endpoint.Endpoint{&recordFile{location: location{path: filepath.Join(root, c.one)}}}
		}
		err = checkWritten(s, found)
		if c.each != "" {
			f, bad := newFolderSink(location{path: filepath.Join(root, c.each)}, params{})
			if bad != nil {
				t.Fatal(bad)
			}
			err = f.checkOutputs(found, false)
		}
		if refused := err != nil && strings.Contains(err.Error(), "it is an input"); refused != c.refused || !refused && err != nil {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}
