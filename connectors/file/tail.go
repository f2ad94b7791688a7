package file

import (
	"errors"
	"io"
)

// errOtherOutput says that an output is not the one that a run has left.
var errOtherOutput = errors.New("it has changed since the run that the checkpoint is from: " +
	"this is not the file that was written")

// tailSize is how many bytes at the end of an output are compared.
const tailSize = 1 << 10

// tail is the last bytes of an output with a checkpoint. They show when the
// output was swapped for another file, or cut and written on by another
// program: it is not written on then, and nothing is cut off it. In an archive
// they hold a tag, and the bytes before them are covered by the encoder's
// digests, which the next end seals.
//
// Their digest is made as that of an input: see known.
type tail struct{ last []byte }

// addBytes adds bytes that were written.
func (t *tail) addBytes(b []byte) {
	b = b[max(0, len(b)-tailSize):]
	if over := len(t.last) + len(b) - tailSize; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	t.last = append(t.last, b...)
}

// readTail reads the bytes before size. The next write is there.
func (t *tail) readTail(h handle, size int64) error {
	t.last = make([]byte, min(size, tailSize))
	if _, err := h.Seek(size-int64(len(t.last)), io.SeekStart); err != nil {
		return err
	}
	_, err := io.ReadFull(h, t.last)
	return err
}

// rereadTail reads the last bytes of an output with a checkpoint, which others
// have written, or which were cut.
func (w *writer) rereadTail() error {
	g, ok := w.out.(growing)
	if !ok || w.sink.opts.Checkpoint == nil {
		return nil
	}
	return w.tail.readTail(g.handle, w.bytes)
}

// compareTail compares an output with its mark in the checkpoint.
func (w *writer) compareTail(h handle, at *outputMark) error {
	if at == nil || at.Bytes == 0 {
		return nil
	}
	if err := w.tail.readTail(h, at.Bytes); err != nil {
		return err
	}
	if string(w.digestTail()) != string(at.Tail) {
		return errOtherOutput
	}
	return nil
}

// digestTail returns the digest of the output's last bytes; nil without a
// checkpoint.
func (w *writer) digestTail() []byte {
	if w.sink.opts.Checkpoint == nil {
		return nil
	}
	k := newKnown(w.sink.opts.Checkpoint.FileID())
	k.addBytes(w.tail.last)
	return k.digest()
}
