package file

import (
	"context"
	"errors"
	"io"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// peekBytes is how much of a file Peek reads at most.
const peekBytes = 1 << 20

// Peek returns the first n messages of the file, or fewer: those that lie in
// its first MiB and can be read. A pipe has none, since they could not be read
// again. They are the caller's.
func (s *Source) Peek(ctx context.Context, n int) ([]pipeline.Message, error) {
	if s.opts.Path == Stream {
		return nil, nil
	}
	if is, err := isRegular(s.opts.Path); err != nil || !is {
		return nil, err
	}
	in, _, err := openInput(s.opts.Path, s.opts.Compression, nil)
	if err != nil {
		return nil, err
	}
	defer in.close()
	buf := make([]byte, peekBytes)
	have := 0
	for have < len(buf) {
		read, err := in.read(ctx, buf[have:])
		have += read
		if err == io.EOF || isContent(err) { // the lane comes to that
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return s.decodeFirst(ctx, buf[:have], n), nil
}

// isContent tells whether an error is about the content of a file.
func isContent(err error) bool {
	return errors.Is(err, format.ErrTruncated) || errors.Is(err, format.ErrMalformed) ||
		errors.Is(err, format.ErrTooLarge)
}

// decodeFirst decodes the first n messages of b and leaves out records that
// cannot be read.
func (s *Source) decodeFirst(ctx context.Context, b []byte, n int) (msgs []pipeline.Message) {
	dec := s.layout.NewRescanner()
	for len(msgs) < n {
		size, err := dec.Next(b, false)
		if err != nil || size == 0 {
			break
		}
		memory := new(format.Batch)
		if is, err := memory.Decode(ctx, dec, b[:size]); err == nil && is {
			msgs = append(msgs, *memory.Last())
		}
		b = b[size:]
	}
	return msgs
}
