package service

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestWatch: a content is taken up when two looks have found it, also behind a
// link that is swapped, as Kubernetes does it; and the same content in another
// file is no change.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	put := func(folder, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, folder, "run.yaml"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	swap := func(folder string) {
		t.Helper()
		link := filepath.Join(dir, "data")
		if err := os.Symlink(folder, link+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link+".new", link); err != nil {
			t.Fatal(err)
		}
	}
	put("one", "first")
	put("two", "second")
	put("three", "second")
	swap("one")
	name := filepath.Join(dir, "data", "run.yaml")
	file, err := ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var seen []string
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			file.Watch(ctx, name, time.Second, func(f *File) {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, string(f.Data))
			})
		}()
		expect := func(what string, looks int, want ...string) {
			t.Helper()
			time.Sleep(time.Duration(looks)*time.Second + time.Millisecond)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if len(seen) != len(want) || len(want) > 0 && seen[len(seen)-1] != want[len(want)-1] {
				t.Errorf("%s: %q, want %q", what, seen, want)
			}
		}
		expect("nothing has changed", 3)
		swap("two")
		expect("one look", 1)
		expect("two looks", 1, "second")
		swap("three")
		expect("the same content", 3, "second")
		put("three", "thi")
		expect("half of it is written", 1, "second")
		put("three", "third")
		expect("the other half", 1, "second")
		expect("it has stayed so", 1, "second", "third")
		if err := os.Remove(filepath.Join(dir, "three", "run.yaml")); err != nil {
			t.Fatal(err)
		}
		expect("it is away", 3, "second", "third")
		put("three", "third")
		expect("it is back", 3, "second", "third")
		cancel()
		<-ended
	})
}

// TestReadFileIsBounded: no more is read of a large file than shows that it is
// too large.
func TestReadFileIsBounded(t *testing.T) {
	name := filepath.Join(t.TempDir(), "run.yaml")
	if err := os.WriteFile(name, make([]byte, MaxFile+10), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.Data); n != MaxFile+1 {
		t.Errorf("%d bytes", n)
	}
}
