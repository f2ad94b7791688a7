package file

import (
	"encoding/hex"
	"strings"
	"testing"
)

// The array is written out by hand from docs/envelope.md, section 3.
func TestFileIdentity(t *testing.T) {
	id, err := identifyFile([16]byte{1, 2}, "a.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	want := "836466696c65" + "50" + "0102" + strings.Repeat("00", 14) + "48" + hex.EncodeToString([]byte("a.ndjson"))
	if got := hex.EncodeToString(id); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
