package file

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"sync"
)

var errCrash = errors.New("the power is off")

// memDisk is a disk in memory whose power goes off after a number of steps. It
// then holds what was synced and, of what was written since, as much as chance
// will have.
type memDisk struct {
	mu     sync.Mutex
	names  map[string]*memFile
	synced map[string]*memFile // names that survive
	left   int                 // steps before the power goes off; negative: it stays on
	steps  int
	named  bool // every file has a name
}

type memFile struct{ now, synced []byte }

func newMemDisk() *memDisk {
	return &memDisk{names: map[string]*memFile{}, synced: map[string]*memFile{}, left: -1}
}

// step is taken before everything that changes the disk.
func (d *memDisk) step() error {
	if d.left == 0 {
		return errCrash
	}
	d.steps++
	d.left--
	return nil
}

// taken is how many steps there have been.
func (d *memDisk) taken() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.steps
}

// crash turns the power off and on again.
func (d *memDisk) crash(r *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.IntN(2) == 0 {
		d.synced = maps.Clone(d.names)
	}
	d.names = maps.Clone(d.synced)
	for _, f := range d.names {
		if r.IntN(2) == 0 && len(f.now) > len(f.synced) { // a part of what was added arrived, perhaps as zeros
			n := len(f.synced) + r.IntN(len(f.now)-len(f.synced)+1)
			if r.IntN(2) == 0 && bytes.HasPrefix(f.now, f.synced) {
				f.synced = bytes.Clone(f.now[:n])
			} else {
				f.synced = append(f.synced, make([]byte, n-len(f.synced))...)
			}
		}
		f.now = bytes.Clone(f.synced)
	}
	d.left = -1
}

func (d *memDisk) open(path string, flag int) (handle, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[path]
	switch {
	case f != nil && flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case f == nil && flag&os.O_CREATE == 0:
		return nil, fs.ErrNotExist
	case f == nil:
		if err := d.step(); err != nil {
			return nil, err
		}
		f = new(memFile)
		d.names[path] = f
	}
	return &memHandle{d: d, f: f}, nil
}

func (d *memDisk) openUnnamed(string) (unnamed, error) {
	if d.named {
		return nil, errors.ErrUnsupported
	}
	return &memHandle{d: d, f: new(memFile)}, nil
}

func (d *memDisk) lockFile(handle) error { return nil }

func (d *memDisk) makeDir(string) error { return nil }

func (h *memHandle) linkTo(path string) error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if h.d.names[path] != nil {
		return fs.ErrExist
	}
	if err := h.d.step(); err != nil {
		return err
	}
	h.d.names[path] = h.f
	return nil
}

func (d *memDisk) stat(path string) (int64, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[path]
	if f == nil {
		return 0, false, fs.ErrNotExist
	}
	return int64(len(f.now)), true, nil
}

func (d *memDisk) rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	d.names[to] = d.names[from]
	delete(d.names, from)
	return nil
}

func (d *memDisk) link(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[to] != nil {
		return fs.ErrExist
	}
	if err := d.step(); err != nil {
		return err
	}
	d.names[to] = d.names[from]
	return nil
}

func (d *memDisk) isSame(a, b string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.names[a] != nil && d.names[a] == d.names[b]
}

func (d *memDisk) hasName(h handle, path string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, ok := h.(*memHandle)
	return ok && d.names[path] == m.f
}

func (d *memDisk) remove(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[path] == nil {
		return fs.ErrNotExist
	}
	if err := d.step(); err != nil {
		return err
	}
	delete(d.names, path)
	return nil
}

func (d *memDisk) syncDir(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	d.synced = maps.Clone(d.names)
	return nil
}

type memHandle struct {
	d   *memDisk
	f   *memFile
	off int

	closed bool
}

func (h *memHandle) Read(p []byte) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	n := copy(p, h.f.now[min(h.off, len(h.f.now)):])
	h.off += n
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Write writes half when the power goes off.
func (h *memHandle) Write(p []byte) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	err := h.d.step()
	if err != nil {
		p = p[:len(p)/2]
	}
	if grow := h.off + len(p) - len(h.f.now); grow > 0 {
		h.f.now = append(h.f.now, make([]byte, grow)...)
	}
	h.off += copy(h.f.now[h.off:], p)
	return len(p), err
}

func (h *memHandle) Seek(off int64, whence int) (int64, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if whence == io.SeekEnd {
		off += int64(len(h.f.now))
	}
	h.off = int(off)
	return off, nil
}

func (h *memHandle) Truncate(size int64) error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if err := h.d.step(); err != nil {
		return err
	}
	h.f.now = append(bytes.Clone(h.f.now), make([]byte, max(0, int(size)-len(h.f.now)))...)[:size]
	return nil
}

func (h *memHandle) Sync() error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if h.closed {
		return fs.ErrClosed
	}
	if err := h.d.step(); err != nil {
		return err
	}
	h.f.synced = bytes.Clone(h.f.now)
	return nil
}

func (h *memHandle) Close() error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	h.closed = true
	return nil
}
