package file

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"io"
)

// tailSize is how many bytes before a mark an input is recognised by.
const tailSize = 4096

var errOtherFile = errors.New("this is not the file that the checkpoint was made for")

// hashTail is what a checkpoint keeps of the bytes before a mark, so that
// another file under the same name, as after a log has been rotated, is not
// read from the middle. The hash has the checkpoint's random FileID for a key,
// so alone it tells nothing of the text. Whoever has the checkpoint as well can
// try guesses; its owner alone can read that.
//
// It is about tailSize bytes and no more: a file that differs only before them,
// or has the same bytes in the same place by chance, is not noticed.
func (c *Checkpoint) hashTail(before []byte) []byte {
	mac := hmac.New(sha256.New, c.now.FileID)
	mac.Write(before)
	return mac.Sum(nil)
}

// checkTail returns the bytes before a mark of the checkpoint, if they are what
// they were when the mark was made.
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
