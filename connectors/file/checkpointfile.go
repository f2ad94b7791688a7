package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// mostReplaced is how often a file may be replaced while it is being opened.
const mostReplaced = 100

// holdFile opens the file of the checkpoint and takes its lock, which is let go
// with the handle. A run that replaces the file holds the next one before that
// has the name, so the lock of the name is never free while a run is on.
func (c *Checkpoint) holdFile() error {
	for range mostReplaced {
		h, err := c.disk.open(c.path, os.O_RDWR) // network file systems lock only files that can be written
		if err != nil {
			return err
		}
		if err := c.disk.lockFile(h); err != nil {
			return errors.Join(err, h.Close())
		}
		if c.disk.hasName(h, c.path) {
			c.held = h
			return nil
		}
		if err := h.Close(); err != nil { // replaced between open and lock
			return err
		}
	}
	return errInUse
}

// letGo closes the file, and lets go of its lock.
func (c *Checkpoint) letGo() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		return nil
	}
	h := c.held
	c.held = nil
	return h.Close()
}

// replaceFile writes the content to a new file, which gets the name and the
// lock. Without again there must be no file: of two first runs at the same time
// one is refused.
func (c *Checkpoint) replaceFile(again bool) error {
	a, err := beginAtomic(c.disk, c.path, again)
	switch {
	case errors.Is(err, fs.ErrExist):
		return errInUse
	case err != nil:
		return err
	}
	text, err := c.now.encodeForm()
	if err == nil {
		_, err = a.Write(text)
	}
	if err == nil {
		err = c.disk.lockFile(a.h)
	}
	if err != nil {
		return errors.Join(err, a.Abort())
	}
	if err := a.commitOpen(); err != nil {
		return err
	}
	before := c.held
	if c.held = a.h; !hasLocks {
		before, c.held = a.h, nil
	}
	if before != nil {
		err = before.Close()
	}
	return errors.Join(err, a.disk.syncDir(filepath.Dir(a.path)))
}
