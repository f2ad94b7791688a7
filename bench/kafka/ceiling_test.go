package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// carry lets a carrier and its peer do a job in process.
func carry(t *testing.T, j job, does, from, to string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	j.does, j.from, j.to = does, from, to
	said, says := io.Pipe()
	peer := make(chan error, 1)
	go func() { peer <- servePeer(ctx, &j, says) }()
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	j.broker = strings.TrimSpace(line)
	err = j.runJob(ctx)
	if err != nil {
		cancel()
	}
	if ended := <-peer; err == nil && ended != nil {
		t.Fatal(ended)
	}
	return err
}

// TestCeiling: the bare steps really seal and open, all records of all blocks.
func TestCeiling(t *testing.T) {
	for _, size := range []int{100, 1 << 10, 300 << 10} {
		dir := t.TempDir()
		name := func(n string) string { return filepath.Join(dir, n) }
		j := job{size: size, records: 1000, growth: 167}
		if size > ceilingBlock {
			j.records = 3
		}
		filling := j
		filling.to = name("plain")
		if err := fillFile(&filling); err != nil {
			t.Fatal(err)
		}
		for _, step := range [][3]string{
			{"ceiling-copy", "plain", "copied"}, {"ceiling-seal", "plain", "sealed"}, {"ceiling-open", "sealed", "opened"},
		} {
			if err := carry(t, j, step[0], name(step[1]), name(step[2])); err != nil {
				t.Fatalf("%v: %v", step, err)
			}
		}
		plain, sealed := readFile(t, name("plain")), readFile(t, name("sealed"))
		if len(plain) != j.records*(ceilingKey+size) || len(sealed) != len(plain)+j.records*j.growth {
			t.Fatalf("%d bytes plain, %d sealed", len(plain), len(sealed))
		}
		if !bytes.Equal(readFile(t, name("copied")), plain) || !bytes.Equal(readFile(t, name("opened")), plain) {
			t.Error("the records are others")
		}
		if bytes.Contains(sealed, plain[ceilingKey:ceilingKey+50]) {
			t.Error("sealed records show their values")
		}
		sealed[len(sealed)-1] ^= 1
		if err := os.WriteFile(name("sealed"), sealed, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := carry(t, j, "ceiling-open", name("sealed"), name("opened")); err == nil {
			t.Error("a changed tag is no error")
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
