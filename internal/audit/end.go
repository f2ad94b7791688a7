package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/streamcrypt/streamcrypt/kekcache"
)

// endSize is how much of a file is looked at before a line is written: two lines and what is left of one.
const endSize = 3 * maxLine

// catchUp takes over what others have written, and cuts off what a crash has left of a line. The caller holds the lock.
func (l *Log) catchUp() error {
	end, torn, size, err := l.end()
	if err != nil {
		return err
	}
	if torn > maxLine {
		return fmt.Errorf("%w: %d bytes without a line feed at its end", ErrChanged, torn)
	}
	last, err := lastOf(end, size == int64(len(end)+torn))
	switch {
	case err != nil:
		return err
	case !l.here && last == start: // the file is empty: it goes on where the one before it ended, if there was one
	case l.here && last.seq < l.last.seq, l.here && last.seq == l.last.seq && last != l.last:
		return fmt.Errorf("%w: line number %d is not there any more", ErrChanged, l.last.seq)
	default:
		l.last, l.here = last, true
	}
	if torn == 0 {
		return nil
	}
	if err := l.file.Truncate(size - int64(torn)); err != nil {
		return err
	}
	return l.append(&kekcache.Event{Op: opLineCut, Why: fmt.Sprintf("%d bytes", torn)})
}

// end reads the end of the file: whole lines, and how many bytes stand behind them.
func (l *Log) end() (lines []byte, torn int, size int64, err error) {
	info, err := l.file.Stat()
	if err != nil {
		return nil, 0, 0, err
	}
	size = info.Size()
	b := make([]byte, min(size, endSize))
	n, err := l.file.ReadAt(b, size-int64(len(b)))
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, 0, 0, err
	case n < len(b):
		return nil, 0, 0, io.ErrUnexpectedEOF
	}
	whole := bytes.LastIndexByte(b, '\n') + 1
	return b[:whole], len(b) - whole, size, nil
}

// lastOf is the end of the chain in lines, which are the last ones of a file, or if all is true the whole of it.
func lastOf(lines []byte, all bool) (link, error) {
	if len(lines) == 0 {
		if !all {
			return link{}, fmt.Errorf("%w: %w", ErrChanged, errNoLine)
		}
		return start, nil
	}
	rest, text := cutLast(lines)
	last, err := parseLine(text)
	if err != nil {
		return link{}, fmt.Errorf("%w: its last line: %w", ErrChanged, err)
	}
	if len(rest) == 0 { // it is the only one
		if last.seq == 1 && last.prev != genesis {
			return link{}, fmt.Errorf("%w: its only line does not begin a chain", ErrChanged)
		}
		return last.link(), nil
	}
	_, text = cutLast(rest)
	before, err := parseLine(text)
	if err != nil || !last.follows(before.link()) {
		return link{}, fmt.Errorf("%w: its last line does not follow the one before", ErrChanged)
	}
	return last.link(), nil
}

// cutLast takes the last line from lines, which end with a line feed.
func cutLast(lines []byte) (rest, last []byte) {
	at := bytes.LastIndexByte(lines[:len(lines)-1], '\n') + 1
	return lines[:at], lines[at:]
}
