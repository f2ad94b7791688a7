package file

import (
	"context"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/streamcrypt/streamcrypt/connectors/format"
)

// errOtherFile says that the part of a file that was read before has changed.
var errOtherFile = errors.New("it has changed before the point that the checkpoint has reached: " +
	"this is not the file that was read")

// known is the digest over the part of an input that has been read. It shows
// when that part has changed, or another file has taken the name, as after a
// log was rotated. Everything behind it may change: a line that was refused can
// be mended, and others can follow.
//
// The digest begins with the checkpoint's random FileID, so that alone it tells
// nothing of the text. Somebody who has the checkpoint as well can try guesses,
// but its owner alone can read that.
//
// The zero known is for an input without a checkpoint and does nothing.
type known struct{ hash hash.Hash }

func newKnown(id [16]byte) known {
	k := known{sha256.New()}
	k.hash.Write(id[:])
	return k
}

// addBytes adds bytes that were read.
func (k known) addBytes(b []byte) {
	if k.hash != nil {
		k.hash.Write(b)
	}
}

// digest returns the digest so far; nil without a checkpoint.
func (k known) digest() []byte {
	if k.hash == nil {
		return nil
	}
	return k.hash.Sum(nil)
}

// saveState returns the state of the digest, for resumeAt.
func (k known) saveState() []byte {
	if k.hash == nil {
		return nil
	}
	state, err := k.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic("file: internal error: " + err.Error()) // crypto/sha256 has no such error
	}
	return state
}

// resumeAt goes on from a state of saveState.
func (k known) resumeAt(state []byte) {
	if k.hash == nil {
		return
	}
	if err := k.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		panic("file: internal error: " + err.Error()) // the state was made by this process
	}
}

// knownPiece is how much of a known part is read at once.
const knownPiece = 256 << 10

// resumeKnown returns the digest over the part of the file before a mark. A
// mark from the checkpoint is compared with the file: the error is errOtherFile
// if that has changed.
func (s *Source) resumeKnown(ctx context.Context, f io.ReaderAt, at inputMark) (known, error) {
	ck := s.opts.Checkpoint
	if ck == nil {
		return known{}, nil
	}
	k := newKnown(ck.FileID())
	switch {
	case at.Byte == 0:
		return k, nil
	case at.known != nil: // this run has read it
		k.resumeAt(at.known)
		return k, nil
	}
	part, piece := io.NewSectionReader(f, 0, at.Byte), make([]byte, knownPiece)
	for {
		if err := ctx.Err(); err != nil {
			return k, err
		}
		n, err := part.Read(piece)
		k.addBytes(piece[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return k, err
		}
	}
	if string(k.digest()) != string(at.Digest) {
		return k, errOtherFile
	}
	return k, nil
}

// findMark returns the mark right before a record, reading on from an earlier
// mark. Batches end at marks, so this is needed only where a batch was
// committed in part: at the message for which the file was parked.
func (l *lane) findMark(ctx context.Context, from inputMark, record int64) (inputMark, error) {
	f, ok := l.in.(regular)
	if !ok || l.source.opts.Checkpoint == nil {
		return from, nil
	}
	k, err := l.source.resumeKnown(ctx, f, from)
	if err != nil {
		return from, err
	}
	dec := l.source.layout.NewRescanner()
	if from.Byte > 0 {
		if err := dec.Restore(from.State); err != nil {
			return from, err
		}
	}
	part := io.NewSectionReader(f, from.Byte, 1<<62-from.Byte)
	read := func(_ context.Context, p []byte) (int, error) { return part.Read(p) }
	win := format.Window{Offset: from.Byte, Read: read}
	b := new(format.Batch)
	for at := from.Record; at < record; {
		n, err := dec.Next(win.Bytes(), win.EOF)
		switch {
		case err != nil:
			return from, err
		case n == 0 && win.EOF:
			return from, fmt.Errorf("%w: it has become shorter", format.ErrTruncated)
		case n == 0:
			if err := win.Fill(ctx); err != nil {
				return from, err
			}
			continue
		}
		record := win.Take(n)
		k.addBytes(record)
		b.Reset()
		is, err := b.Decode(ctx, dec, record)
		if isReject(err) {
			is, err = true, nil
		}
		if err != nil {
			return from, err
		}
		if is {
			at++
		}
	}
	return newMark(record, win.Offset, dec, k), nil
}

func newMark(record, offset int64, dec format.Decoder, k known) inputMark {
	return inputMark{
		Record: record, Byte: offset, State: dec.AppendState(nil), Digest: k.digest(), known: k.saveState(),
	}
}
