package dir_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keystore/dir"
)

// TestEach: every kid comes once, however many records it has, also when
// records are put meanwhile. Other files are not looked at.
func TestEach(t *testing.T) {
	folder := t.TempDir()
	s, err := dir.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	const n = 1100 // more than are listed at a time
	for i := range n {
		name := filepath.Join(folder, strings.Repeat("ab", 14)+hexOf(i))
		if err := os.WriteFile(name, []byte("record"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"README", ".put-x", strings.Repeat("AB", 16), strings.Repeat("ab", 15), strings.Repeat("ab", 17), strings.Repeat("xy", 16)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("no record"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[[kekcache.KIDSize]byte]int{}
	err = s.Each(t.Context(), func(kid [kekcache.KIDSize]byte) error {
		seen[kid]++
		if len(seen) > 10 {
			return nil
		}
		return s.Put(t.Context(), kid, []byte("another"))
	})
	if err != nil || len(seen) != n {
		t.Fatalf("%d kids, %v", len(seen), err)
	}
	for kid, times := range seen {
		if times != 1 {
			t.Errorf("%x came %d times", kid, times)
		}
	}
	enough := errors.New("enough")
	if err := s.Each(t.Context(), func([kekcache.KIDSize]byte) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := s.Each(t.Context(), func([kekcache.KIDSize]byte) error { return nil }); err == nil {
		t.Error("a store that is gone is listed")
	}
}

// hexOf is the end of a name.
func hexOf(i int) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[i>>12&15], digits[i>>8&15], digits[i>>4&15], digits[i&15]})
}
