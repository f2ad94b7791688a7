package file

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"

	"github.com/streamcrypt/streamcrypt/connectors/format/members"
)

// namedPipe makes a named pipe and returns its path.
func namedPipe(t *testing.T) string {
	t.Helper()
	path := temp(t, "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// readOnce reads once.
func readOnce(t *testing.T, p *pipe) ([]byte, error) {
	t.Helper()
	b := make([]byte, 100)
	n, err := p.read(t.Context(), b)
	return b[:n], err
}

// requireEnded fails the test unless the goroutine of p has ended.
func requireEnded(t *testing.T, p *pipe) {
	t.Helper()
	select {
	case <-p.ended:
	default:
		t.Error("the goroutine lives on after close")
	}
}

// TestNamedPipe: a reader waits for the first writer, reads its bytes and finds
// the end when it has gone.
func TestNamedPipe(t *testing.T) {
	for _, text := range []string{"some bytes", ""} {
		path := namedPipe(t)
		p, err := openPipe(path, members.None)
		if err != nil {
			t.Fatal(err)
		}
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if text != "" {
			if _, err := w.WriteString(text); err != nil {
				t.Fatal(err)
			}
			if b, err := readOnce(t, p); string(b) != text || err != nil {
				t.Errorf("read %q, %v", b, err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if b, err := readOnce(t, p); len(b) != 0 || err != io.EOF {
			t.Errorf("at the end: read %q, %v", b, err)
		}
		p.close()
		requireEnded(t, p)
	}
}

// TestPipeCloseEndsWaits: close ends the goroutine of a pipe without a writer,
// of one whose writer is silent, and of standard input, which stays as it was.
func TestPipeCloseEndsWaits(t *testing.T) {
	stdin, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	defer w.Close()
	stdin.Fd() // makes it block, as a standard input does
	silent := namedPipe(t)
	writer, err := os.OpenFile(silent, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	for name, open := range map[string]func() (*pipe, error){
		"no writer":      func() (*pipe, error) { return openPipe(namedPipe(t), members.None) },
		"silent writer":  func() (*pipe, error) { return openPipe(silent, members.None) },
		"standard input": func() (*pipe, error) { return newPipe(stdin, members.None), nil },
	} {
		p, err := open()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if n, err := p.read(ctx, make([]byte, 1)); n != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: read %d, %v", name, n, err)
		}
		p.close()
		requireEnded(t, p)
	}
	if _, err := w.WriteString("later"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(stdin, b); err != nil || string(b) != "later" {
		t.Errorf("standard input afterwards: %q, %v", b, err)
	}
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, stdin.Fd(), syscall.F_GETFL, 0)
	if errno != 0 || flags&syscall.O_NONBLOCK != 0 {
		t.Errorf("standard input does not block any more: %#x, %v", flags, errno)
	}
}

// closingInput is an input at its end: it is closed while its deadline is set.
type closingInput struct{ begun, done chan struct{} }

func (closingInput) Read([]byte) (int, error) { return 0, io.EOF }

func (c closingInput) Close() error {
	close(c.begun)
	<-c.done
	return nil
}

func (c closingInput) SetReadDeadline(time.Time) error {
	close(c.done)
	return errors.New("use of closed file")
}

// TestPipeCloseAtTheEnd: close waits for a goroutine that is about to end by
// itself.
func TestPipeCloseAtTheEnd(t *testing.T) {
	c := closingInput{make(chan struct{}), make(chan struct{})}
	p := startPipe(c, c)
	if _, err := readOnce(t, p); err != io.EOF {
		t.Error(err)
	}
	<-c.begun
	p.close()
	requireEnded(t, p)
}

// TestSourceWaitsForWriter: a source of a named pipe can be given up before
// there is a writer.
func TestSourceWaitsForWriter(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newSource(t, sourceOptions(namedPipe(t), "ndjson"))
	err := s.Serve(ctx, func(ctx context.Context, l pipeline.Lane) error {
		_, err := l.Read(ctx, 1<<20)
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestNoWriterIsNoEnd: a named pipe that no writer has opened yet is not at its
// end.
func TestNoWriterIsNoEnd(t *testing.T) {
	in, err := openDevice(namedPipe(t))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := in.(*awaited).SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := in.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d, %v", n, err)
	}
}
