package file

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"io"
)

// tailSize is the number of bytes before a mark by which an input is
// recognised.
const tailSize = 4096

var errOtherFile = errors.New("this is not the file that the checkpoint was made for")

// hashTail returns the checkpoint's trace of the bytes before a mark. It shows
// when another file has taken the name, as after a log was rotated, so that the
// new file is not read from the middle. The hash is keyed with the checkpoint's
// random FileID, so alone it tells nothing of the text. Somebody who has the
// checkpoint as well can try guesses, but its owner alone can read that.
//
// The trace covers about tailSize bytes: a file that differs only before them,
// or by chance has the same bytes in the same place, is not noticed.
func (c *Checkpoint) hashTail(before []byte) []byte {
	mac := hmac.New(sha256.New, c.now.FileID)
	mac.Write(before)
	return mac.Sum(nil)
}

// checkTail returns the bytes before a mark of the checkpoint. It is an error
// if they have changed since the mark was made.
func (s *Source) checkTail(f io.ReaderAt, at inputMark) ([]byte, error) {
	ck := s.opts.Checkpoint
	if ck == nil || at.Byte == 0 {
		return nil, nil
	}
	before := make([]byte, min(at.Byte, tailSize))
	n, err := f.ReadAt(before, at.Byte-int64(len(before)))
	switch {
	case err != nil && err != io.EOF:
		return nil, err
	case !hmac.Equal(ck.hashTail(before[:n]), at.Tail):
		return nil, errOtherFile
	}
	return before, nil
}
