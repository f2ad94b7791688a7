package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
)

var (
	// ErrChanged says that the file is not as its writers left it. Nothing is
	// written to it any more.
	ErrChanged = errors.New("changed by somebody else")
	// ErrLocked says that another process holds the file's lock for longer than
	// a line takes.
	ErrLocked = errors.New("locked by another process")
)

// handle is an open file, or a test's stand-in for one.
type handle interface {
	io.Writer // at its end
	io.ReaderAt
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
	Sync() error
	Fd() uintptr
	Close() error
}

// Log is an audit log that is written. It is safe for concurrent use, also by
// several processes on one file.
type Log struct {
	path string
	who  Who
	open func(path string) (handle, error)

	mu   sync.Mutex
	file handle
	last link // the last line that is known
	here bool // it stands in file, and must stay there
}

var _ kekcache.Auditor = (*Log)(nil)

// Open opens the log at path, and makes it if there is none. It checks the end
// of the file, as Record does. Every line says who.
func Open(path string, who Who) (*Log, error) { return openLog(path, who, openFile) }

func openLog(path string, who Who, open func(string) (handle, error)) (*Log, error) {
	l := &Log{path: path, who: who, open: open, last: start}
	var err error
	if l.file, err = open(path); err != nil {
		return nil, l.nameError(err)
	}
	if err := l.holdLock(l.catchUp); err != nil {
		return nil, errors.Join(l.nameError(err), l.file.Close())
	}
	return l, nil
}

func openFile(path string) (handle, error) {
	// This is checked first, since opening a pipe would wait for its reader.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil { // a new file must be there after a crash too
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Record implements kekcache.Auditor: the line of e is on the disk when it
// returns. After an error nothing of the line is left, or the rest of it will
// be cut off before the next line. Errors match ErrChanged, ErrLocked, or are
// the file's, such as ENOSPC.
func (l *Log) Record(e kekcache.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.holdLock(func() error {
		if err := l.followPath(); err != nil {
			return err
		}
		if err := l.catchUp(); err != nil {
			return err
		}
		return l.appendLine(&e)
	})
	if err != nil {
		return l.nameError(err)
	}
	return nil
}

// Head returns the number and hash of the last line that is known; the number
// is 0 before there is one.
func (l *Log) Head() (seq uint64, head Hash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last.seq, l.last.hash
}

// Close closes the file. Every line is on the disk already.
func (l *Log) Close() error { return l.file.Close() }

func (l *Log) nameError(err error) error { return fmt.Errorf("audit log %s: %w", l.path, err) }

// holdLock calls do under the file's lock. do may change l.file to another one
// of which it has the lock.
func (l *Log) holdLock(do func() error) error {
	if err := lockFile(l.file); err != nil {
		return err
	}
	err := do()
	return errors.Join(err, unlockFile(l.file))
}

// followPath goes on in another file if the path names one: the operator has
// moved the old one away. All writers wrote to the old file under its lock, so
// that the new one begins at its end, for all of them.
func (l *Log) followPath() error {
	for {
		now, err := l.file.Stat()
		if err != nil {
			return err
		}
		named, err := os.Stat(l.path)
		switch {
		case err == nil && os.SameFile(now, named):
			return nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		}
		// a changed file is moved away for good reason
		if err := l.catchUp(); err != nil && !errors.Is(err, ErrChanged) {
			return err
		}
		if err := l.changeFile(); err != nil {
			return err
		}
	}
}

// changeFile takes the file that the path names, with its lock, in place of the
// one that is open.
func (l *Log) changeFile() error {
	next, err := l.open(l.path)
	if err != nil {
		return err
	}
	if err := lockFile(next); err != nil {
		return errors.Join(err, next.Close())
	}
	old := l.file
	l.file, l.here = next, false
	return old.Close() // and with it goes its lock
}

// appendLine writes the line of e behind the last one.
func (l *Log) appendLine(e *kekcache.Event) error {
	next, err := newLine(l.last, e, &l.who, time.Now())
	if err != nil {
		return err
	}
	b, err := next.encodeLine()
	if err != nil {
		return err
	}
	p, err := parseLine(b)
	if err != nil {
		return err
	}
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	if _, err = l.file.Write(b); err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		return errors.Join(err, l.file.Truncate(info.Size()))
	}
	l.last, l.here = p.toLink(), true
	return nil
}
