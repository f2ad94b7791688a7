package file

import (
	"errors"
	"io"
)

// output is the destination of a sink's bytes.
type output interface {
	io.Writer
	// sync makes written bytes durable, unless they become durable at close
	// only.
	sync() error
	// cutTo drops the bytes behind size, or returns errNoCut.
	cutTo(size int64) error
	// close ends the output. Without keep the output did not become complete.
	close(keep bool) error
}

var errNoCut = errors.New("a pipe gives nothing back")

// whole is a file that appears when it is complete.
type whole struct{ *Atomic }

func (whole) sync() error { return nil }

func (o whole) cutTo(size int64) error { return truncateTo(o.h, size) }

func (o whole) close(keep bool) error {
	if keep {
		return o.Commit()
	}
	return o.Abort()
}

// growing is a file written in place.
type growing struct{ handle }

func (o growing) sync() error            { return o.Sync() }
func (o growing) cutTo(size int64) error { return truncateTo(o.handle, size) }
func (o growing) close(bool) error       { return errors.Join(o.Sync(), o.Close()) }

func truncateTo(h handle, size int64) error {
	if err := h.Truncate(size); err != nil {
		return err
	}
	_, err := h.Seek(size, io.SeekStart)
	return err
}

// streamOutput is a pipe, a device or standard output.
type streamOutput struct {
	io.Writer
	closer io.Closer // nil for standard output
}

func (streamOutput) sync() error       { return nil }
func (streamOutput) cutTo(int64) error { return errNoCut }

func (o streamOutput) close(bool) error {
	if o.closer == nil {
		return nil
	}
	return o.closer.Close()
}
