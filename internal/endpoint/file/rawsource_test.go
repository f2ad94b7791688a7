package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestRawSourceIsClosed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := openRawSource(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.regular.Stat(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestPipeCannotBeOpened(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	in := &rawSource{openPipe: func() (io.ReadCloser, error) { return nil, fs.ErrPermission }}
	if n, err := in.OpenReader(ctx).Read(make([]byte, 1)); n != 0 || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %d, %v", n, err)
	}
}
