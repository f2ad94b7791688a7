package audit

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// faulty is a file whose disk fails when it is told to.
type faulty struct {
	handle
	full, unsynced, stuck bool
}

func (f *faulty) Write(b []byte) (int, error) {
	if f.full {
		n, _ := f.handle.Write(b[:len(b)/2])
		return n, syscall.ENOSPC
	}
	return f.handle.Write(b)
}

func (f *faulty) Sync() error {
	if f.unsynced {
		return syscall.EIO
	}
	return f.handle.Sync()
}

func (f *faulty) Truncate(size int64) error {
	if f.stuck {
		return syscall.EROFS
	}
	return f.handle.Truncate(size)
}

// TestFaults fails a line, and looks that nothing of it is there, or nothing
// that counts.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(f *faulty)
		want error
		cuts int64
	}{
		{"full", func(f *faulty) { f.full = true }, syscall.ENOSPC, 0},
		{"not synced", func(f *faulty) { f.unsynced = true }, syscall.EIO, 0},
		{"full, and what was written stays", func(f *faulty) { f.full, f.stuck = true, true }, syscall.ENOSPC, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			var file *faulty
			l, err := openLog(path, Who{}, func(path string) (handle, error) {
				f, err := openFile(path)
				file = &faulty{handle: f}
				return file, err
			})
			must(t, err)
			defer l.Close()
			must(t, l.Record(opened(1)))
			before := string(content(t, path))
			_, head := l.Head()
			c.set(file)
			if err := l.Record(opened(2)); !errors.Is(err, c.want) {
				t.Fatalf("%v", err)
			}
			if after := string(content(t, path)); c.cuts == 0 && after != before {
				t.Errorf("left behind: %q", after[len(before):])
			}
			if _, now := l.Head(); now != head {
				t.Error("the head moved")
			}
			*file = faulty{handle: file.handle}
			must(t, l.Record(opened(3)))
			if s := whole(t, path, 2+c.cuts); s.Cuts != c.cuts {
				t.Errorf("%d cuts", s.Cuts)
			}
		})
	}
}
