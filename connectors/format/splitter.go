package format

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/streamcrypt/streamcrypt/internal/textfile"
)

// lineSplitter divides a text into lines, and is all of a Decoder of lines but
// for decodeInto. A line that is longer than most is passed over in pieces, so
// that it costs no memory.
type lineSplitter struct {
	most int

	number int64 // of the line in hand, counted from 1; 0 before the first
	seen   int   // bytes of the first line that were searched for a line feed
	piece  bool  // Next has returned a part of a line that is too long
	inside bool  // so has the call before
}

// Next implements Decoder.
func (s *lineSplitter) Next(b []byte, eof bool) (int, error) {
	if s.number == 0 {
		if !eof && (len(b) < 2 || textfile.MayGrowMark(b)) {
			return 0, nil
		}
		if err := textfile.Check(b); err != nil {
			s.number = 1
			return 0, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	}
	i := bytes.IndexByte(b[s.seen:], '\n')
	n := s.seen + i + 1
	s.piece = false
	switch {
	case i >= 0:
	case eof:
		n = len(b) // the last line may lack its line feed
	case len(b) > s.most:
		n, s.piece = len(b)-1, true // one byte is left for the last piece
	default:
		s.seen = len(b)
		return 0, nil
	}
	s.seen = 0
	return n, nil
}

// takeLine counts a line that is decoded now and returns it without a byte
// order mark. It returns nil for a piece of a line, and a Reject for the last
// one.
func (s *lineSplitter) takeLine(record []byte) ([]byte, error) {
	tooLong := s.inside || len(record) > s.most
	if !s.inside {
		s.number++
	}
	s.inside = s.piece
	switch {
	case s.piece:
		return nil, nil
	case tooLong:
		return nil, rejectRecord(ErrTooLarge, fmt.Errorf("line %d: more than %d bytes", s.number, s.most))
	case s.number == 1:
		return textfile.TrimMark(record), nil
	}
	return record, nil
}

// InPieces implements Decoder.
func (s *lineSplitter) InPieces() bool { return s.piece }

// Finish implements Decoder. A last line without its line feed is for the one
// that decodes it.
func (*lineSplitter) Finish() error { return nil }

// Locate implements Decoder.
func (s *lineSplitter) Locate(place string, _ int64) string {
	return fmt.Sprintf("%s:%d", place, s.number)
}

// CanResume implements Decoder.
func (*lineSplitter) CanResume() bool { return true }

// AppendState implements Resumable. The state is the number of lines before the
// next one.
func (s *lineSplitter) AppendState(dst []byte) []byte {
	return binary.AppendUvarint(dst, uint64(s.number))
}

// Restore implements Resumable.
func (s *lineSplitter) Restore(state []byte) error {
	number, n := binary.Uvarint(state)
	if n <= 0 || n != len(state) || number > 1<<62 {
		return fmt.Errorf("%w: state of lines", ErrMalformed)
	}
	s.number = int64(number)
	return nil
}
