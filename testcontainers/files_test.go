package testcontainers

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestFiles makes the round trip with files, through the built command; it
// needs no container.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	key := in("key.jwk")
	streamcrypt(t.Context(), t, "keygen", "local", "--out", key)
	raw := bytes.Repeat([]byte("All of it, to the last byte. "), 100_000)
	var lines bytes.Buffer
	for i := range 5_000 {
		fmt.Fprintf(&lines, `{"key":"k%d","value":"v%d","headers":[["h","%d"]],"time":"2026-01-01T00:00:00.5Z"}`+"\n", i%100, i, i)
	}
	for name, content := range map[string][]byte{"a.bin": raw, "a.ndjson": lines.Bytes()} {
		if err := os.WriteFile(in(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for plain, sealed := range map[string]string{"a.bin": "b.enc", "a.ndjson": "b.scx"} {
		opened := "c-" + plain
		streamcrypt(t.Context(), t, "encrypt", "--key", "local:"+key, "--from", "file:"+in(plain), "--to", "file:"+in(sealed))
		streamcrypt(t.Context(), t, "verify", "--key", "local:"+key, "--from", "file:"+in(sealed))
		streamcrypt(t.Context(), t, "decrypt", "--key", "local:"+key, "--from", "file:"+in(sealed), "--to", "file:"+in(opened))
		was, is := readFile(t, in(plain)), readFile(t, in(opened))
		if !bytes.Equal(was, is) {
			t.Errorf("%s: %d bytes became %d others", plain, len(was), len(is))
		}
		if bytes.Contains(readFile(t, in(sealed)), []byte("to the last byte")) {
			t.Errorf("%s holds plaintext", sealed)
		}
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
