package route

import (
	"context"
	"io"
	"sync"
)

// blockWorker works on the blocks of a payload, one after the other.
type blockWorker interface {
	// readBlock takes the next block of the payload. io.EOF says that there is
	// none. No two workers read at the same time.
	readBlock() error
	// makeOutput returns the output for the block: also with an error, if the
	// output before the error is good. It is valid until the next call.
	makeOutput() ([]byte, error)
}

// blockLine lets workers read and write in the order of the payload, while
// each works on its block beside the others.
//
// A worker that reads draws the next place in the line. It writes when the
// worker of the place before has written. A worker waits only for one that has
// its block already, so there is no deadlock, and no more blocks are in memory
// than there are workers.
type blockLine struct {
	out io.Writer

	reading sync.Mutex
	ended   bool            // nothing more is read
	last    <-chan struct{} // closed when the last block that was read has been written
}

// rawCopy is a payload on its way.
type rawCopy struct {
	in      io.Reader
	out     io.Writer
	stop    func() // ends a Read of in that waits
	workers int
}

// copyBlocks runs the workers until the payload has ended. The error is the
// first one in the order of the payload, and everything before it has been
// written.
func (c *rawCopy) copyBlocks(ctx context.Context, workers []blockWorker) error {
	none := make(chan struct{})
	close(none)
	line := &blockLine{out: c.out, last: none}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var running sync.WaitGroup
	for _, w := range workers {
		running.Go(func() {
			if err := line.serve(ctx, w); err != nil {
				fail(err)
				c.stop()
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// serve lets a worker do one block after the other.
func (l *blockLine) serve(ctx context.Context, w blockWorker) error {
	for {
		before, written, err := l.read(w)
		if before == nil {
			return ctx.Err()
		}
		var out []byte
		if err == nil {
			out, err = w.makeOutput()
		}
		select {
		case <-before:
		case <-ctx.Done():
			return ctx.Err()
		}
		if len(out) > 0 {
			if _, err := l.out.Write(out); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		close(written)
	}
}

// read lets a worker read the next block. before is closed when all blocks
// before it have been written, and the worker closes written when it has
// written this one. At the end of the payload both are nil.
func (l *blockLine) read(w blockWorker) (before <-chan struct{}, written chan struct{}, err error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	if l.ended {
		return nil, nil, nil
	}
	if err = w.readBlock(); err == io.EOF {
		l.ended = true
		return nil, nil, nil
	}
	l.ended = err != nil
	before, written = l.last, make(chan struct{})
	l.last = written
	return before, written, err
}
