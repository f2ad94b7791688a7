package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/synctest"
)

func TestRawFile(t *testing.T) {
	path := store(t, temp(t, "plain"), []byte("payload"))
	in, err := OpenRaw(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if read, total := in.Progress(); !in.IsSeekable() || read != 0 || total != 7 {
		t.Errorf("read %d of %d, seekable %v", read, total, in.IsSeekable())
	}
	r := in.Reader(t.Context())
	part := make([]byte, 3)
	if _, err := r.(io.ReaderAt).ReadAt(part, 4); err != nil || string(part) != "oad" {
		t.Errorf("read %q at 4: %v", part, err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != "payload" {
		t.Errorf("read %q: %v", b, err)
	}
	if read, _ := in.Progress(); read != 7 {
		t.Errorf("counted %d bytes", read)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if _, err := in.regular.Stat(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("the file is not closed: %v", err)
	}
}

// TestRawStdin: standard input that is a regular file can be read in any order,
// from where it stands, and is not closed.
func TestRawStdin(t *testing.T) {
	f, err := os.Open(store(t, temp(t, "plain"), []byte("payload")))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(3, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	in, err := OpenRaw(Stream, f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(in.Reader(t.Context()))
	if _, total := in.Progress(); err != nil || string(b) != "load" || total != 4 || !in.IsSeekable() {
		t.Errorf("read %q of %d bytes: %v", b, total, err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Stat(); err != nil {
		t.Errorf("standard input was closed: %v", err)
	}
}

func TestRawRefused(t *testing.T) {
	if _, err := OpenRaw(t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := OpenRaw(temp(t, "missing"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	in := &RawInput{path: temp(t, "missing")} // a pipe that went away before it is read
	if n, err := in.Reader(t.Context()).Read(make([]byte, 1)); n != 0 || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing pipe: %d, %v", n, err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
}

// TestRawWaitEnds: waiting for a silent reader ends with the context.
func TestRawWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		in, err := OpenRaw(Stream, r)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, _ = w.Write([]byte("some"))
			synctest.Wait()
			cancel()
		}()
		b, err := io.ReadAll(in.Reader(ctx))
		if read, _ := in.Progress(); string(b) != "some" || read != 4 || !errors.Is(err, context.Canceled) {
			t.Errorf("read %q, counted %d: %v", b, read, err)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		_ = w.Close() // the goroutine's read returns
	})
}
