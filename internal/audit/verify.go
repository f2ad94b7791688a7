package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Faults of a log that Verifier finds.
var (
	// ErrMissing says that a line has another number than its place: one is
	// missing, was moved, or is there twice.
	ErrMissing = errors.New("a line is missing or was moved")
	// ErrLine says that a line was changed.
	ErrLine = errors.New("changed")
	// ErrTorn says that the last line is not whole.
	ErrTorn = errors.New("not whole")
	// ErrCut says that the line with the wanted hash is not there.
	ErrCut = errors.New("the line with this hash is not there: lines were cut off the end, or written anew")
)

// LineError says which line of which file is at fault, counted from 1.
type LineError struct {
	File string
	Line int64
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

func (e *LineError) Unwrap() error { return e.Err }

// Verifier follows a chain through one file or several. The zero value is
// ready.
type Verifier struct {
	// Want, if not nil, is the hash of a line that must be there, or before the
	// first one.
	Want *Hash

	last  link
	lines int64
	first parsed // of all
	file  string // of last
	line  int64  // of last in file
	cuts  int64
	found bool // Want
}

// Summary is how much a Verifier has read.
type Summary struct {
	Lines       int64
	First, Last uint64 // their numbers; 0 without lines
	Before      Hash   // of the line before the first one, which is not there unless First is 1
	Head        Hash   // of the last line
	Cuts        int64  // lines of which a crash left a part that was cut off
}

// Summary returns how much has been read so far.
func (v *Verifier) Summary() Summary {
	return Summary{
		Lines: v.lines, First: v.first.seq, Last: v.last.seq, Before: v.first.prev, Head: v.last.hash, Cuts: v.cuts,
	}
}

// AddFile reads the next file of the chain. A fault is a *LineError that
// matches ErrMissing, ErrLine or ErrTorn, or it is r's.
func (v *Verifier) AddFile(name string, r io.Reader) error {
	in := bufio.NewReaderSize(r, maxLine)
	for number := int64(1); ; number++ {
		p, err := readLine(in)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, ErrTorn), errors.Is(err, ErrLine):
			return &LineError{File: name, Line: number, Err: err}
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := v.addLine(&p); err != nil {
			return v.blameLine(name, number, err, func() bool { return v.isConfirmed(in, &p) })
		}
		v.file, v.line = name, number
	}
}

// blameLine says which line err is about: the one that it was found at, or if
// something vouches for that one, the line before.
func (v *Verifier) blameLine(name string, number int64, err error, vouched func() bool) error {
	switch {
	case !errors.Is(err, errHash):
		return &LineError{File: name, Line: number, Err: err}
	case vouched():
		return &LineError{File: v.file, Line: v.line, Err: fmt.Errorf("%w: the next line has the hash of another one",
			ErrLine)}
	}
	err = fmt.Errorf("%w, or else the line before was: it does not follow", ErrLine)
	return &LineError{File: name, Line: number, Err: err}
}

// CheckEnd is called behind the last file. Its error matches ErrCut.
func (v *Verifier) CheckEnd() error {
	if v.Want != nil && !v.found && !(v.lines == 0 && *v.Want == genesis) {
		return fmt.Errorf("%s: %w", v.Want, ErrCut)
	}
	return nil
}

// readLine reads the next line.
func readLine(in *bufio.Reader) (parsed, error) {
	b, err := in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return parsed{}, fmt.Errorf("%w: %w", ErrLine, errNoLine)
	case errors.Is(err, io.EOF) && len(b) > 0:
		return parsed{}, ErrTorn
	case err != nil:
		return parsed{}, err
	}
	p, err := parseLine(b)
	if err != nil {
		return p, fmt.Errorf("%w: %w", ErrLine, err)
	}
	return p, nil
}

// addLine takes the next line of the chain.
func (v *Verifier) addLine(p *parsed) error {
	switch {
	case v.lines > 0 && p.seq != v.last.seq+1:
		return fmt.Errorf("%w: number %d where %d belongs", ErrMissing, p.seq, v.last.seq+1)
	case v.lines > 0 && p.prev != v.last.hash:
		return errHash
	case v.lines == 0 && (p.seq == 1) != (p.prev == genesis):
		return fmt.Errorf("%w: it does not begin a chain", ErrLine)
	case v.lines == 0:
		v.first = *p
		v.found = v.Want != nil && p.prev == *v.Want
	}
	if p.op == opLineCut {
		v.cuts++
	}
	v.last = p.toLink()
	v.lines++
	v.found = v.found || v.Want != nil && p.hash == *v.Want
	return nil
}

// errHash says that the hash of a line is not the one that the next line has.
var errHash = errors.New("hash")

// isConfirmed tells whether p is as it was written, by the line that follows it
// in its file, or by the wanted hash.
func (v *Verifier) isConfirmed(in *bufio.Reader, p *parsed) bool {
	if v.Want != nil && *v.Want == p.hash {
		return true
	}
	after, err := readLine(in)
	return err == nil && after.isBehind(p.toLink())
}
