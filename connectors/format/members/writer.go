package members

import (
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Writer writes members. It is used by one goroutine, and may begin anew after
// an error with DropMember.
type Writer struct {
	kind Kind
	out  io.Writer
	open bool

	gzip *gzip.Writer
	zstd *zstd.Encoder
}

// NewWriter returns a Writer of members of a kind, which is not None. Nothing
// is written until there is content.
func NewWriter(kind Kind, out io.Writer) *Writer { return &Writer{kind: kind, out: out} }

// Write adds content to the open member, or begins one. The content may be
// written only when the member ends.
func (w *Writer) Write(p []byte) (int, error) {
	if !w.open {
		if err := w.beginMember(); err != nil {
			return 0, err
		}
	}
	if w.kind == Gzip {
		return w.gzip.Write(p)
	}
	return w.zstd.Write(p)
}

// beginMember begins a member, which may stay empty.
func (w *Writer) beginMember() (err error) {
	w.open = true
	switch {
	case w.kind == Gzip && w.gzip == nil:
		w.gzip = gzip.NewWriter(w.out)
	case w.kind == Gzip:
		w.gzip.Reset(w.out)
	case w.zstd == nil:
		w.zstd, err = zstd.NewWriter(w.out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(writeWindow),
			zstd.WithZeroFrames(true))
	default:
		w.zstd.Reset(w.out)
	}
	return err
}

// EndMember ends the open member; without one it does nothing.
func (w *Writer) EndMember() error {
	if !w.open {
		return nil
	}
	w.open = false
	if w.kind == Gzip {
		return w.gzip.Close()
	}
	return w.zstd.Close()
}

// WriteEmpty writes a member without content: a file of no bytes is no
// compressed file.
func (w *Writer) WriteEmpty() error {
	if err := w.beginMember(); err != nil {
		return err
	}
	return w.EndMember()
}

// DropMember forgets the open member. The bytes of it that were written are
// the caller's to cut.
func (w *Writer) DropMember() { w.open = false }
