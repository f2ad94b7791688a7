package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestKilled kills runs that decrypt, at random moments. Nothing of the
// plaintext is left under any name, unless a checkpoint was asked for, and the
// run after the last kill gives all of it. Where a file system has no files
// without a name, a kill does leave a file: connectors/file has
// TestAtomicLeavesNothing for that, in which the next run removes it.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	if errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("SKIPPED, NOT RUN: this file system has no files without a name, so that a kill does leave something; " +
			"TestAtomicLeavesNothing in connectors/file is about that")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(fd); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	var lines []byte
	for i := range 40_000 {
		lines = fmt.Appendf(lines, "{\"key\":\"k%d\",\"value\":\"secret %0400d\"}\n", i, i)
	}
	raw := bytes.Repeat([]byte("secret and long "), 4<<20)
	for name, content := range map[string][]byte{"plain.ndjson": lines, "plain": raw} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	carry(t, 0, "keygen", "local", "--out", "key.jwk")
	carry(t, 0, "encrypt", "--key", "local:key.jwk", "--from", "file:plain.ndjson", "--to", "file:s.scx")
	carry(t, 0, "encrypt", "--key", "local:key.jwk", "--from", "file:plain", "--to", "file:s")
	r := rand.New(rand.NewPCG(1, 2))
	for name, c := range map[string]struct {
		from, out string
		more      []string
		left      []string // that may be left; with some, so may a temporary name, for a moment
		want      []byte
	}{
		"raw":        {"s", "out", nil, nil, raw},
		"overwrite":  {"s", "over", []string{"--overwrite"}, []string{"over"}, raw},
		"records":    {"s.scx", "out.ndjson", nil, nil, lines},
		"checkpoint": {"s.scx", "go.ndjson", []string{"--checkpoint", "ck"}, []string{"ck", "go.ndjson.partial"}, lines},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "overwrite" {
				if err := os.WriteFile(c.out, []byte("before"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			command := append([]string{"decrypt", "--key", "local:key.jwk", "--from", "file:" + c.from, "--to", "file:" + c.out}, c.more...)
			before := namesHere(t)
			for range countRepeats(12) {
				carry(t, time.Duration(1+r.IntN(150))*time.Millisecond, command...)
				for name := range namesHere(t) {
					allowed := before[name]
					for _, left := range c.left {
						allowed = allowed || name == left || strings.HasPrefix(name, ".streamcrypt-")
					}
					if name == c.out { // then all of it is there
						got, err := os.ReadFile(name)
						allowed = err == nil && (bytes.Equal(got, c.want) || string(got) == "before")
						if bytes.Equal(got, c.want) && len(c.more) == 0 {
							_ = os.Remove(name)
						}
					}
					if !allowed {
						t.Fatalf("%s is left", name)
					}
				}
			}
			carry(t, 0, command...)
			if got, err := os.ReadFile(c.out); err != nil || !bytes.Equal(got, c.want) {
				t.Fatalf("%d bytes, want %d: %v", len(got), len(c.want), err)
			}
			if left, _ := filepath.Glob(".streamcrypt-*"); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func namesHere(t *testing.T) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	return names
}

// carry runs the command to its end, or kills it after some time.
func carry(t *testing.T, kill time.Duration, args ...string) {
	t.Helper()
	carryIn(t, "", kill, args...)
}

// carryIn is carry in another folder than the current one, for tests that run
// side by side.
func carryIn(t *testing.T, dir string, kill time.Duration, args ...string) {
	t.Helper()
	c := exec.Command("streamcrypt", args...)
	c.Dir = dir
	var text bytes.Buffer
	c.Stderr = &text
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if kill > 0 {
		timer := time.AfterFunc(kill, func() { _ = c.Process.Kill() })
		defer timer.Stop()
	}
	if err := c.Wait(); err != nil && kill == 0 {
		t.Fatalf("%q: %v\n%s", args, err, text.String())
	}
}
