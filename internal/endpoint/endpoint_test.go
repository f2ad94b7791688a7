package endpoint

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

type keyA struct{ name string }

type keyB struct{ name string }

// Ends that ask for the same thing get the same one; an error is not kept.
func TestShare(t *testing.T) {
	s := &Session{}
	opened := 0
	open := func() (*int, error) {
		opened++
		n := opened
		return &n, nil
	}
	errAway := errors.New("away")
	if _, err := Share(s, keyA{"x"}, func() (*int, error) { return nil, errAway }); !errors.Is(err, errAway) {
		t.Errorf("got %v", err)
	}
	get := func(key any) *int {
		t.Helper()
		v, err := Share(s, key, open)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	first := get(keyA{"x"})
	if get(keyA{"x"}) != first || opened != 1 {
		t.Errorf("opened %d times", opened)
	}
	if get(keyA{"y"}) == first || get(keyB{"x"}) == first || opened != 3 {
		t.Errorf("different things are one, opened %d times", opened)
	}
}

func TestIdentity(t *testing.T) {
	a, err := EncodeIdentity("x", int32(1))
	if err != nil {
		t.Fatal(err)
	}
	b, err := EncodeIdentity("x", int32(2))
	if err != nil {
		t.Fatal(err)
	}
	if a.String() == b.String() || a.Short() == b.Short() || len(a.String()) != 2*identitySize {
		t.Errorf("%s, %s", a, b)
	}
	if _, err := EncodeIdentity(func() {}); err == nil {
		t.Error("a function is encoded")
	}
}

// A file is the same under all of its names, also before it exists.
func TestFileIdentity(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.MkdirAll("deep/er", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("real", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", "link"); err != nil {
		if runtime.GOOS == "windows" {
			t.Skip("SKIPPED, NOT RUN: Windows makes links only for those with the right to:", err)
		}
		t.Fatal(err)
	}
	if err := os.Symlink(dir, "folder"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("deep", "er"), "down"); err != nil {
		t.Fatal(err)
	}
	want := FileIdentity("real")
	for _, name := range []string{"link", "./real", "folder/real", "folder/../" + filepath.Base(dir) + "/link", "down/../../link"} {
		if got := FileIdentity(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if FileIdentity("new") != FileIdentity("folder/new") || FileIdentity("new") != FileIdentity("down/../../new") || FileIdentity("new") == want {
		t.Errorf("new: %s, %s", FileIdentity("new"), FileIdentity("folder/new"))
	}
}

func TestForms(t *testing.T) {
	for want, table := range map[string]Table{
		"":               nil,
		"a:X":            {{Name: "a", Form: "a:X"}},
		"a:X or b://Y":   {{Name: "a", Form: "a:X"}, {Name: "b", Form: "b://Y"}},
		"a:X, c:Z or b:": {{Name: "a", Form: "a:X"}, {Name: "c", Form: "c:Z"}, {Name: "b", Form: "b:"}},
	} {
		if got := table.DescribeForms(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for form, want := range map[string]string{"a:X": "a:", "a://H/X": "a://"} {
		s := Scheme{Name: "a", Form: form}
		if got := s.Beginning(); got != want {
			t.Errorf("%s begins with %q, want %q", form, got, want)
		}
	}
}
