package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// lateDisk is one on which somebody else makes the file "out" just after it was
// seen to be free.
type lateDisk struct {
	*memDisk
	late  bool
	links error // of every link, if set
}

func (d *lateDisk) stat(path string) (int64, bool, error) {
	size, regular, err := d.memDisk.stat(path)
	if d.late && path == "out" {
		d.names["out"] = &memFile{now: []byte("theirs")}
	}
	return size, regular, err
}

func (d *lateDisk) link(from, to string) error {
	if d.links != nil {
		return d.links
	}
	return d.memDisk.link(from, to)
}

type atomicCase struct {
	name      string
	there     bool // the file, from the beginning
	late      bool // it appears while ours gets its name
	overwrite bool
	links     error
	want      string
	err       error
}

func TestAtomicPlaces(t *testing.T) {
	noLinks := &os.LinkError{Op: "link", Err: syscall.EPERM}
	for _, c := range []atomicCase{
		{"a free name", false, false, false, nil, "ours", nil},
		{"a name that is taken", true, false, false, nil, "theirs", fs.ErrExist},
		{"a name that is taken meanwhile", false, true, false, nil, "theirs", fs.ErrExist},
		{"overwriting", true, false, true, nil, "ours", nil},
		{"overwriting what appears", false, true, true, nil, "ours", nil},
		{"without links", false, false, false, noLinks, "ours", nil},
		{"with links that are not there", false, false, false, fmt.Errorf("link: %w", errors.ErrUnsupported), "ours", nil},
		{"with links that fail", false, false, false, syscall.EIO, "", syscall.EIO},
	} {
		for _, named := range []bool{true, false} {
			if named || c.links == nil {
				t.Run(fmt.Sprintf("%s named=%v", c.name, named), func(t *testing.T) { checkAtomic(t, c, named) })
			}
		}
	}
}

func checkAtomic(t *testing.T, c atomicCase, named bool) {
	d := &lateDisk{memDisk: newMemDisk(), links: c.links}
	d.named = named
	if c.there {
		d.names["out"] = &memFile{now: []byte("theirs")}
	}
	err := func() error {
		a, err := beginAtomic(d, "out", c.overwrite)
		if err != nil {
			return err
		}
		if _, err := a.Write([]byte("ours")); err != nil {
			return errors.Join(err, a.Abort())
		}
		d.late = c.late
		return a.Commit()
	}()
	if !errors.Is(err, c.err) || (c.err == nil) != (err == nil) {
		t.Errorf("got error %v", err)
	}
	got := ""
	if f := d.names["out"]; f != nil {
		got = string(f.now)
	}
	delete(d.names, "out")
	if got != c.want || len(d.names) > 0 {
		t.Errorf("it holds %q, and beside it are %d files", got, len(d.names))
	}
}

// TestAtomicLinks checks the system's own links: a name that is taken is an
// fs.ErrExist.
func TestAtomicLinks(t *testing.T) {
	path := temp(t, "out")
	a, err := NewAtomic(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Write([]byte("ours")); err != nil {
		t.Fatal(err)
	}
	if err := a.Commit(); err != nil || string(load(t, path)) != "ours" || len(listing(t, path)) != 1 {
		t.Fatal(err, listing(t, path))
	}
	if err := (osDisk{}).link(store(t, path+"2", nil), path); !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
}

// TestAtomicLeavesNothing drops a file without ending it, as a kill does. With
// a name of its own it is left, and the next one removes it, but not while it
// is in use.
func TestAtomicLeavesNothing(t *testing.T) {
	for _, named := range []bool{true, false} {
		path := temp(t, "out")
		var d disk = osDisk{}
		if named {
			d = namedDisk{}
		} else {
			named = !hasUnnamed(t, filepath.Dir(path))
		}
		killed, err := beginAtomic(d, path, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := killed.Write([]byte("secret")); err != nil {
			t.Fatal(err)
		}
		if left := listing(t, path); (len(left) > 0) != named {
			t.Errorf("there are %q", left)
		}
		if named {
			if _, err := beginAtomic(d, path, false); !errors.Is(err, errInUse) {
				t.Fatal(err)
			}
		}
		if err := killed.h.Close(); err != nil { // what the system does
			t.Fatal(err)
		}
		a, err := beginAtomic(d, path, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Abort(); err != nil || len(listing(t, path)) > 0 {
			t.Fatal(err, listing(t, path))
		}
	}
}

// namedDisk is the disk of a system where every file has a name.
type namedDisk struct{ osDisk }

func (namedDisk) openUnnamed(string) (unnamed, error) { return nil, errors.ErrUnsupported }

// TestAtomicOverwrites replaces a file, also one that a killed run has left
// under the temporary name.
func TestAtomicOverwrites(t *testing.T) {
	for _, d := range []disk{osDisk{}, namedDisk{}} {
		path := store(t, temp(t, "out"), []byte("theirs"))
		a, err := beginAtomic(d, path, true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Write([]byte("ours")); err != nil {
			t.Fatal(err)
		}
		if err := a.Commit(); err != nil || string(load(t, path)) != "ours" || len(listing(t, path)) != 1 {
			t.Fatal(err, listing(t, path))
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Error(info, err)
		}
	}
}
