package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// numbers is a payload of so many blocks, each of which is a line with its
// number. The first ones take longest to work on.
type numbers struct {
	blocks int
	broken map[int]error // of makeOutput, by number
	ends   error         // of readBlock behind the last block

	mu   sync.Mutex // held while a worker reads, to see that no two do
	next int
}

type numberWorker struct {
	payload *numbers
	number  int
}

func (w *numberWorker) readBlock() error {
	p := w.payload
	if !p.mu.TryLock() {
		panic("two workers read at the same time")
	}
	defer p.mu.Unlock()
	if p.next == p.blocks {
		return p.ends
	}
	w.number = p.next
	p.next++
	return nil
}

func (w *numberWorker) makeOutput() ([]byte, error) {
	time.Sleep(time.Duration(w.payload.blocks-w.number) * time.Second)
	if err := w.payload.broken[w.number]; err != nil {
		return []byte("half\n"), err
	}
	return fmt.Appendf(nil, "%d\n", w.number), nil
}

// runNumbers copies a payload to out with so many workers.
func runNumbers(ctx context.Context, p *numbers, workers int, out io.Writer) (isStopped bool, err error) {
	var stopped atomic.Bool
	all := make([]blockWorker, workers)
	for i := range all {
		all[i] = &numberWorker{payload: p}
	}
	c := &rawCopy{out: out, stop: func() { stopped.Store(true) }}
	err = c.copyBlocks(ctx, all)
	return stopped.Load(), err
}

func numbersUpTo(n int) (out string) {
	for i := range n {
		out += fmt.Sprintln(i)
	}
	return out
}

func TestBlocksAreWrittenInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for workers := 1; workers <= 5; workers++ {
			var out bytes.Buffer
			begin := time.Now()
			stopped, err := runNumbers(t.Context(), &numbers{blocks: 10, ends: io.EOF}, workers, &out)
			if err != nil || stopped || out.String() != numbersUpTo(10) {
				t.Errorf("%d workers: %v, stopped %v, wrote %q", workers, err, stopped, out.String())
			}
			if took := time.Since(begin); workers > 1 && took >= 55*time.Second {
				t.Errorf("%d workers took %v: they do not work at the same time", workers, took)
			}
		}
	})
}

var errBlock = errors.New("tampered")

// TestBlocksEndWithTheFirstError: the first in the order of the payload, not
// the first in time; everything before it has been written and nothing behind.
func TestBlocksEndWithTheFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &numbers{blocks: 10, ends: io.EOF, broken: map[int]error{4: errBlock, 5: errors.New("a later one")}}
		var out bytes.Buffer
		stopped, err := runNumbers(t.Context(), p, 4, &out)
		if err != errBlock || !stopped || out.String() != numbersUpTo(4)+"half\n" {
			t.Errorf("%v, stopped %v, wrote %q", err, stopped, out.String())
		}
	})
}

func TestBlocksOfASourceThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		stopped, err := runNumbers(t.Context(), &numbers{blocks: 5, ends: errBlock}, 3, &out)
		if err != errBlock || !stopped || out.String() != numbersUpTo(5) {
			t.Errorf("%v, stopped %v, wrote %q", err, stopped, out.String())
		}
	})
}

// fullDisk takes one write.
type fullDisk struct{ bytes.Buffer }

var errFull = errors.New("no space left")

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.Len() > 0 {
		return 0, errFull
	}
	return d.Buffer.Write(p)
}

func TestBlocksOfASinkThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out fullDisk
		stopped, err := runNumbers(t.Context(), &numbers{blocks: 10, ends: io.EOF}, 3, &out)
		if err != errFull || !stopped || out.String() != numbersUpTo(1) {
			t.Errorf("%v, stopped %v, wrote %q", err, stopped, out.String())
		}
	})
}

func TestBlocksEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		var out bytes.Buffer
		_, err := runNumbers(ctx, &numbers{blocks: 10, ends: io.EOF}, 2, &out)
		if !errors.Is(err, context.DeadlineExceeded) || len(out.String()) >= len(numbersUpTo(10)) {
			t.Errorf("%v, wrote %q", err, out.String())
		}
	})
}
