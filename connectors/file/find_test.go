package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// makeFiles makes empty files below a new folder.
func makeFiles(t *testing.T, names ...string) (root string) {
	t.Helper()
	root = t.TempDir()
	for _, name := range names {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		store(t, path, []byte("x"))
	}
	return root
}

func TestFindFiles(t *testing.T) {
	root := makeFiles(t, "b.ndjson", "a.ndjson", "a.ndjson.gz", "c.txt", ".hidden.ndjson", "d.ndjson.partial",
		"2026/01/a.ndjson", "2026/02/a.ndjson", "2026/02/b.txt", ".git/a.ndjson", ".git/old/a.ndjson")
	for pattern, want := range map[string]string{
		"":                  "a.ndjson a.ndjson.gz b.ndjson c.txt",
		"*.ndjson":          "a.ndjson b.ndjson",
		"*.ndjson*":         "a.ndjson a.ndjson.gz b.ndjson",
		"[bc].*":            "b.ndjson c.txt",
		"[c].t?t":           "c.txt",
		".*":                ".hidden.ndjson",
		"2026/*/a.ndjson":   "2026/01/a.ndjson 2026/02/a.ndjson",
		"**/a.ndjson":       "2026/01/a.ndjson 2026/02/a.ndjson a.ndjson",
		"2026/**":           "01/a.ndjson 02/a.ndjson 02/b.txt",
		"**/*.txt":          "2026/02/b.txt c.txt",
		"2026/**/02/**/*.*": "02/a.ndjson 02/b.txt",
		"*/*/*.txt":         "2026/02/b.txt",
		"*/*/a.ndjson":      "2026/01/a.ndjson 2026/02/a.ndjson",
		".*/*.ndjson":       ".git/a.ndjson",
	} {
		found, err := FindFiles(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Errorf("%q: %v", pattern, err)
			continue
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(filepath.ToSlash(found.Root), filepath.ToSlash(root)), "/")
		full := slices.Clone(found.Names)
		if rel != "" && !strings.HasPrefix(pattern, "2026/**") {
			for i := range full {
				full[i] = rel + "/" + full[i]
			}
		}
		if got := strings.Join(full, " "); got != want {
			t.Errorf("%q: got %q, want %q", pattern, got, want)
		}
		for _, name := range allBelow(t, found.Root) {
			if is := slices.Contains(found.Names, name); found.Matches(name) != is {
				t.Errorf("%q matches %q: %v", pattern, name, !is)
			}
		}
		if found.Bytes != int64(len(found.Names)) {
			t.Errorf("%q: %d bytes", pattern, found.Bytes)
		}
	}
}

// allBelow returns the paths of all files below a folder.
func allBelow(t *testing.T, root string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Before anything is read it is known that a file cannot be, or would be twice.
func TestFindFilesRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		make    func(t *testing.T, root string)
		pattern string
		err     error
		text    string
	}{
		"no files":    {func(*testing.T, string) {}, "*.scx", fs.ErrNotExist, "no files"},
		"no folder":   {func(*testing.T, string) {}, "none/*", fs.ErrNotExist, "none"},
		"bad pattern": {func(*testing.T, string) {}, "[", nil, "syntax error in pattern"},
		"two names": {func(t *testing.T, root string) {
			if err := os.Symlink("a.ndjson", filepath.Join(root, "link.ndjson")); err != nil {
				t.Fatal(err)
			}
		}, "*.ndjson", errTwice, "link.ndjson"},
		"a link to nothing": {func(t *testing.T, root string) {
			if err := os.Symlink("none", filepath.Join(root, "link.ndjson")); err != nil {
				t.Fatal(err)
			}
		}, "*.ndjson", fs.ErrNotExist, "link.ndjson"},
	} {
		t.Run(name, func(t *testing.T) {
			root := makeFiles(t, "a.ndjson")
			c.make(t, root)
			_, err := FindFiles(filepath.Join(root, c.pattern))
			if err == nil || !strings.Contains(err.Error(), c.text) || c.err != nil && !errors.Is(err, c.err) {
				t.Fatalf("got %v", err)
			}
		})
	}
}
