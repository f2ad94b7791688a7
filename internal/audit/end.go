package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/streamcrypt/streamcrypt/kekcache"
)

// endSize is how much of the end of a file is read before a line is written:
// two lines and the rest of a third.
const endSize = 3 * maxLine

// catchUp takes over the lines that others have written, and cuts off the part
// of a line that a crash has left. The caller holds the lock.
func (l *Log) catchUp() error {
	end, torn, size, err := l.readEnd()
	if err != nil {
		return err
	}
	if torn > maxLine {
		return fmt.Errorf("%w: %d bytes without a line feed at its end", ErrChanged, torn)
	}
	last, err := findLast(end, size == int64(len(end)+torn))
	switch {
	case err != nil:
		return err
	case !l.here && last == start: // an empty file goes on where the one before it ended, if there was one
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
	return l.appendLine(&kekcache.Event{Op: opLineCut, Why: fmt.Sprintf("%d bytes", torn)})
}

// readEnd reads the end of the file: whole lines, and how many bytes stand
// behind them.
func (l *Log) readEnd() (lines []byte, torn int, size int64, err error) {
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

// findLast returns the end of the chain in lines, which are the last ones of a
// file, or if all is true the whole of it.
func findLast(lines []byte, all bool) (link, error) {
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
		return last.toLink(), nil
	}
	_, text = cutLast(rest)
	before, err := parseLine(text)
	if err != nil || !last.isBehind(before.toLink()) {
		return link{}, fmt.Errorf("%w: its last line does not follow the one before", ErrChanged)
	}
	return last.toLink(), nil
}

// cutLast takes the last line from lines, which end with a line feed.
func cutLast(lines []byte) (rest, last []byte) {
	at := bytes.LastIndexByte(lines[:len(lines)-1], '\n') + 1
	return lines[:at], lines[at:]
}
