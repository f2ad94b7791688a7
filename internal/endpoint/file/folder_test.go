package file

import (
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format"
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
