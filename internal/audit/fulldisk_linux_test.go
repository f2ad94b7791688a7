package audit

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFullDisk fills a real file system. Only root can mount one that is small
// enough; for everybody else TestFaults injects the same error.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k")
	if errors.Is(err, syscall.EPERM) {
		t.Skip("SKIPPED, NOT RUN: only root can mount a file system; TestFaults injects the same")
	}
	must(t, err)
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path, ballast := filepath.Join(dir, "log"), filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 40<<10), 0o600))
	l, err := Open(path, Who{})
	must(t, err)
	defer l.Close()
	lines := int64(0)
	for err == nil && lines < 1000 {
		if err = l.Record(opened(byte(lines))); err == nil {
			lines++
		}
	}
	if !errors.Is(err, syscall.ENOSPC) || lines == 0 {
		t.Fatalf("after %d lines: %v", lines, err)
	}
	whole(t, path, lines)
	if err := l.Record(opened(0)); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("still full: %v", err)
	}
	whole(t, path, lines)
	must(t, os.Remove(ballast))
	must(t, l.Record(opened(0)))
	whole(t, path, lines+1)
}
