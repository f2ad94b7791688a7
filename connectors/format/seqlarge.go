package format

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// largeRecord passes over a record of a seq that is too large to be kept. Its
// length is believed if the checksum is right: it covers type and body, and a
// wrong length leads to other bytes.
type largeRecord struct {
	left  int64 // bytes that were not taken; 0 outside of such a record
	piece int   // bytes of the piece that nextPiece has returned
	head  bool  // the next piece begins with the frame
	want  uint32
	sum   uint32
}

// beginRecord returns the length of the first piece, which is all of b. It may
// be called again before the piece is taken.
func (l *largeRecord) beginRecord(b []byte, length int64) int {
	*l = largeRecord{left: frameSize + length, head: true, want: binary.BigEndian.Uint32(b[4:])}
	l.piece = int(min(int64(len(b)), l.left))
	return l.piece
}

// nextPiece returns the length of the next piece.
func (l *largeRecord) nextPiece(b []byte, eof bool) (int, error) {
	if len(b) == 0 && eof {
		return 0, fmt.Errorf("%w: the last record is not whole", ErrTruncated)
	}
	l.piece = int(min(int64(len(b)), l.left))
	return l.piece, nil
}

// takePiece takes a piece, and tells whether it was the last one.
func (l *largeRecord) takePiece(piece []byte) (whole bool, err error) {
	l.left -= int64(len(piece))
	if l.head {
		piece, l.head = piece[frameSize:], false
	}
	l.sum = crc32.Update(l.sum, castagnoli, piece)
	if l.left > 0 {
		return false, nil
	}
	if l.sum != l.want {
		return true, errChecksum
	}
	return true, nil
}
