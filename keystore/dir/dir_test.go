package dir_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keystore/dir"
	"github.com/streamcrypt/streamcrypt/keystore/keystoretest"
)

var (
	kid   = [kekcache.KIDSize]byte{0xAB, 1, 2, 15: 0xff}
	other = [kekcache.KIDSize]byte{0xAC}
)

const kidHex = "ab0102000000000000000000000000ff"

func open(t *testing.T) (*dir.Store, string) {
	t.Helper()
	folder := t.TempDir()
	s, err := dir.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	return s, folder
}

func put(t *testing.T, s *dir.Store, kid [kekcache.KIDSize]byte, records ...string) {
	t.Helper()
	for _, record := range records {
		if err := s.Put(t.Context(), kid, []byte(record)); err != nil {
			t.Fatal(err)
		}
	}
}

func want(t *testing.T, s *dir.Store, kid [kekcache.KIDSize]byte, records ...string) {
	t.Helper()
	got, err := s.Get(t.Context(), kid)
	if err != nil {
		t.Fatal(err)
	}
	if text := bytes.Join(got, []byte(", ")); len(got) != len(records) || string(text) != strings.Join(records, ", ") {
		t.Errorf("got %d records %q, want %q", len(got), text, records)
	}
}

func files(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPutAndGet(t *testing.T) {
	s, folder := open(t)
	want(t, s, kid)
	put(t, s, kid, "first")
	want(t, s, kid, "first")
	want(t, s, other)
	put(t, s, other, "of another")
	put(t, s, kid, "second", "third", "first", "third") // twice is once
	want(t, s, kid, "first", "second", "third")
	want(t, s, other, "of another")
	if got := fmt.Sprint(files(t, folder)); got != fmt.Sprintf("[%[1]s %[1]s.1 %[1]s.2 ac%030d]", kidHex, 0) {
		t.Errorf("files %s", got)
	}

	again, err := dir.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	want(t, again, kid, "first", "second", "third")
}

// TestSuite: the checks that every key store passes.
func TestSuite(t *testing.T) {
	keystoretest.Test(t, func(t *testing.T) kekcache.Store {
		s, _ := open(t)
		return s
	})
}

// TestLeftovers: what a crash left, and what is not ours, is neither read nor
// in the way.
func TestLeftovers(t *testing.T) {
	s, folder := open(t)
	write(t, folder, ".put-"+kidHex, "half a rec")
	write(t, folder, kidHex+"~", "of an editor")
	write(t, folder, kidHex+".2", "behind a gap")
	want(t, s, kid)
	put(t, s, kid, "first")
	want(t, s, kid, "first")
}

// TestOversizedFile is no record, and hides none behind it. No such record is
// written.
func TestOversizedFile(t *testing.T) {
	s, folder := open(t)
	large, largest := strings.Repeat("x", dir.MaxRecord+1), strings.Repeat("x", dir.MaxRecord)
	if err := s.Put(t.Context(), kid, []byte(large)); err == nil || len(files(t, folder)) != 0 {
		t.Errorf("error %v, files %q", err, files(t, folder))
	}
	write(t, folder, kidHex, large)
	want(t, s, kid)
	put(t, s, kid, largest, "another")
	want(t, s, kid, largest, "another")
}

// TestDirectoryIsGone: an error, from which the caller knows that the records
// are away and not that there are none.
func TestDirectoryIsGone(t *testing.T) {
	s, folder := open(t)
	put(t, s, kid, "first")
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if records, err := s.Get(t.Context(), kid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get: %d records, %v", len(records), err)
	}
	if err := s.Put(t.Context(), kid, []byte("second")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Put: %v", err)
	}
}

func TestUnreadableRecord(t *testing.T) {
	s, folder := open(t)
	if err := os.Mkdir(filepath.Join(folder, kidHex), 0o700); err != nil {
		t.Fatal(err)
	}
	if records, err := s.Get(t.Context(), kid); err == nil {
		t.Errorf("%d records and no error", len(records))
	}
}

func TestOpen(t *testing.T) {
	_, folder := open(t)
	if _, err := dir.Open(filepath.Join(folder, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	write(t, folder, "file", "")
	if _, err := dir.Open(filepath.Join(folder, "file")); err == nil {
		t.Error("a file was opened as a directory")
	}
}
