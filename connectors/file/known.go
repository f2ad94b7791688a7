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
// mark from the checkpoint is compared with the file, and so is the part behind
// it that was seen: the error is errOtherFile if one of them has changed.
func (s *Source) resumeKnown(ctx context.Context, f stored, at inputMark) (known, error) {
	ck := s.opts.Checkpoint
	if ck == nil {
		return known{}, nil
	}
	k := newKnown(ck.FileID())
	if at.known != nil { // this run has read it
		k.resumeAt(at.known)
		return k, nil
	}
	if at.Byte > 0 {
		if err := k.compareWith(ctx, f, 0, at.Byte, at.Digest); err != nil {
			return k, err
		}
	}
	if at.Seen > at.Byte {
		further := newKnown(ck.FileID())
		further.resumeAt(k.saveState())
		return k, further.compareWith(ctx, f, at.Byte, at.Seen, at.SeenDigest)
	}
	return k, nil
}

// compareWith adds a part of the file. The error is errOtherFile if the digest
// is another one then.
func (k known) compareWith(ctx context.Context, f stored, from, to int64, digest []byte) error {
	if err := f.seekTo(ctx, from); err != nil {
		return err
	}
	piece := make([]byte, min(to-from, knownPiece))
	for left := to - from; left > 0; {
		n, err := f.read(ctx, piece[:min(left, int64(len(piece)))])
		left -= int64(n)
		k.addBytes(piece[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if string(k.digest()) != string(digest) {
		return errOtherFile
	}
	return nil
}

// seenMark is a point that has been read, where reading cannot begin.
type seenMark struct {
	record, byte int64
	digest       []byte
}

// noteSeen has a mark say that the file was read as far as one of the seen
// marks, the last one that is committed. It returns those that are not.
func (m *inputMark) noteSeen(seen []seenMark, next int64) []seenMark {
	for len(seen) > 0 && seen[0].record <= next {
		m.Seen, m.SeenDigest = seen[0].byte, seen[0].digest
		seen = seen[1:]
	}
	return seen
}

// findMark returns the mark right before a record, reading on from an earlier
// mark. Batches end at marks, so this is needed only where a batch was
// committed in part: at the message for which the file was parked.
func (l *lane) findMark(ctx context.Context, from inputMark, record int64) (inputMark, error) {
	f, ok := l.in.(stored)
	if !ok || l.source.opts.Checkpoint == nil {
		return from, nil
	}
	f = f.openAgain() // the lane goes on reading
	k, err := l.source.resumeKnown(ctx, f, from)
	if err == nil {
		err = f.seekTo(ctx, from.Byte)
	}
	if err != nil {
		return from, err
	}
	dec := l.source.layout.NewRescanner()
	if from.Byte > 0 {
		if err := dec.Restore(from.State); err != nil {
			return from, err
		}
	}
	win := format.Window{Offset: from.Byte, Read: f.read}
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
