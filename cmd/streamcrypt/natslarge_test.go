package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLargeMessages: messages that are larger than the server takes come back
// from a stream as they were, in each way of publishing. One that is decrypted
// into a stream is refused.
func TestLargeMessages(t *testing.T) {
	url, js := startNATS(t)
	dir := t.TempDir()
	key := filepath.Join(dir, "key.jwk")
	if code, _, stderr := runArgs(t.Context(), "keygen", "local", "--out", key); code != exitOK {
		t.Fatal(stderr)
	}
	var lines bytes.Buffer
	for _, size := range []int{10, 3_000_000, 1 << 20, 20, 1_048_000} {
		lines.WriteString(strings.Repeat("x", size) + "\n")
	}
	in := write(t, dir, "in.txt", lines.Bytes())
	for _, mode := range []string{"auto", "batch", "fast"} {
		sealed, out := url+"/SEALED"+mode, filepath.Join(dir, mode+".txt")
		code, _, stderr := runArgs(t.Context(), "encrypt", "--key", "local:"+key, "--from", "file:"+in+"?format=lines",
			"--to", sealed+"?create=true&subject=sealed."+mode+"&publish="+mode)
		if code != exitOK {
			t.Fatal(stderr)
		}
		stream, err := js.Stream(t.Context(), "SEALED"+mode)
		if err != nil {
			t.Fatal(err)
		}
		if n := stream.CachedInfo().State.Msgs; n < 5+2+1+1 {
			t.Errorf("%s: %d messages are stored", mode, n)
		}
		code, _, stderr = runArgs(t.Context(), "decrypt", "--key", "local:"+key,
			"--from", sealed+"?until=latest", "--to", "file:"+out+"?format=lines")
		if code != exitOK {
			t.Fatal(stderr)
		}
		if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, lines.Bytes()) {
			t.Errorf("%s: %d bytes, %v", mode, len(got), err)
		}
	}
	code, _, stderr := runArgs(t.Context(), "decrypt", "--key", "local:"+key,
		"--from", url+"/SEALEDauto?until=latest", "--to", url+"/PLAIN?create=true&subject=plain")
	if code != exitFailed || !strings.Contains(spoken(t, stderr), "too-large") {
		t.Errorf("exit code %d:\n%s", code, stderr)
	}
}
