package nats

import (
	"context"
	"fmt"
	"io"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Peeker looks at single messages of a stream, in any order, without a
// consumer. One goroutine uses it.
type Peeker struct {
	name       string
	conn       *Conn
	stream     jetstream.Stream
	filters    []string
	first, end int64
}

// NewPeeker opens a stream as it is now. Of o it uses Stream, Filters, Until,
// and Start if that is a sequence.
func NewPeeker(ctx context.Context, conn *Conn, o SourceOptions) (*Peeker, error) {
	switch {
	case !validToken(o.Stream):
		return nil, fmt.Errorf("nats: %q is not a stream name", o.Stream)
	case !o.Start.Time.IsZero() || o.Start.New:
		return nil, fmt.Errorf("nats stream %s: single messages are found by sequence: start= must be one", o.Stream)
	}
	stream, err := conn.js.Stream(ctx, o.Stream)
	if err != nil {
		return nil, fmt.Errorf("nats stream %s: %w", o.Stream, err)
	}
	last, err := o.findLast(ctx, conn, stream)
	if err != nil {
		return nil, err
	}
	state := stream.CachedInfo().State
	p := &Peeker{
		name: o.Stream, conn: conn, stream: stream, filters: o.Filters,
		first: int64(max(1, state.FirstSeq, o.Start.Sequence)), end: int64(last) + 1,
	}
	return p, nil
}

// Place is how the origins of the stream's messages name it.
func (p *Peeker) Place() string { return p.name }

// Bounds are the first sequence and that behind the last, as of when the Peeker
// was made. There need not be a message at either side.
func (p *Peeker) Bounds() (first, end int64) { return p.first, p.end }

// Peek returns the first message at or behind a sequence, or io.EOF if there is
// none before the end.
func (p *Peeker) Peek(ctx context.Context, sequence int64) (pipeline.Message, error) {
	found, err := p.conn.findFirst(ctx, p.name, p.filters, uint64(max(sequence, p.first)))
	if err != nil {
		return pipeline.Message{}, fmt.Errorf("nats stream %s: %w", p.name, err)
	}
	if found == nil || found.sequence >= uint64(p.end) {
		return pipeline.Message{}, io.EOF
	}
	b := &batch{sealed: true} // not a recycled one: the message is the caller's
	b.addMessage(pipeline.Origin{Place: p.name, Offset: int64(found.sequence), Previous: -1}, found.time, found.msg)
	return b.Messages[0], nil
}

// findFirst asks a stream for its first message from a sequence on that one of
// the filters meets; with no filter it is any message. It is nil if there is
// none. The leader is asked: where the stream allows direct access, replicas
// and mirrors answer for it that may hold less.
func (c *Conn) findFirst(
	ctx context.Context, stream string, filters []string, from uint64,
) (found *storedMessage, err error) {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	if len(filters) == 0 {
		filters = []string{">"}
	}
	for _, filter := range filters {
		m, err := c.requestStored(ctx, stream, map[string]any{"seq": from, "next_by_subj": filter})
		switch {
		case isNotFound(err):
		case err != nil:
			return nil, err
		case found == nil || m.sequence < found.sequence:
			found = &m
		}
	}
	return found, nil
}
