package dir_test

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestHungFileSystem: a call that the file system does not answer ends with its
// context, and others go on.
func TestHungFileSystem(t *testing.T) {
	s, folder := open(t)
	put(t, s, other, "a record")
	pipe := filepath.Join(folder, kidHex) // opening it waits for a writer
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // let the calls that were left behind go
		for range 40 {
			if fd, err := syscall.Open(pipe, syscall.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
				_ = syscall.Close(fd)
			}
		}
	})
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := s.Get(ctx, kid); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		cancel()
	}
	want(t, s, other, "a record")
}
