package transform

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

var errSubject = errors.New("header: the destination would change the subject that the envelope is bound to")

// RewrapOptions say how a route is rewrapped.
type RewrapOptions struct {
	Rewrapper *envelope.Rewrapper // of the route; every worker takes a share of it
	// Subject must leave subjects as they are. If it changes the subject of a
	// message, that is rejected: nobody could open it any more.
	Subject MapSubject
	// PassTombstones lets a null value without an envelope through.
	PassTombstones bool
	Stats          *RewrapStats // may be nil
}

// RewrapStats count envelopes, a batch at a time; a lane that is served again
// counts again. The counters only grow.
type RewrapStats struct {
	Rewrapped atomic.Int64 // envelopes with new recipients
	Already   atomic.Int64 // envelopes that had them
}

// Rewrap replaces the recipients of envelopes, in values and in sealed
// tombstones. Nothing else of a message changes.
//
// It leaves the Mark empty, and no Gate belongs behind it: duplicates and gaps
// are copied, for the one who opens the messages to judge, who alone can tell
// genuine positions from forged ones.
type Rewrap struct {
	o        RewrapOptions
	rewraps  *envelope.RewrapWorker
	memory   scratch
	reported envelope.RewrapCounts
}

// NewRewrap returns the transform of one worker.
func NewRewrap(o RewrapOptions) (*Rewrap, error) {
	if o.Rewrapper == nil {
		return nil, errors.New("transform: no rewrapper")
	}
	if o.Stats == nil {
		o.Stats = new(RewrapStats)
	}
	return &Rewrap{o: o, rewraps: o.Rewrapper.NewWorker()}, nil
}

// Reset implements pipeline.Transform.
func (t *Rewrap) Reset() {
	t.memory.reset()
	now := t.rewraps.Counts()
	t.o.Stats.Rewrapped.Add(now.Rewrapped - t.reported.Rewrapped)
	t.o.Stats.Already.Add(now.Already - t.reported.Already)
	t.reported = now
}

// Bound implements pipeline.Transform. A tombstone's envelope goes into memory
// of the transform.
func (t *Rewrap) Bound(m *pipeline.Message) int {
	if m.Value == nil {
		if at, n := findTombstone(m.Headers); n > 0 {
			return t.rewraps.MaxSize(len(m.Headers[at].Value))
		}
	}
	return t.rewraps.MaxSize(len(m.Value))
}

// Append implements pipeline.Transform.
func (t *Rewrap) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	at, n := findTombstone(m.Headers)
	switch {
	case n > 1 || n == 1 && m.Value != nil:
		return dst, &pipeline.Reject{Reason: pipeline.ReasonReservedHeader}
	case m.Value == nil && n == 0 && !t.o.PassTombstones:
		return dst, &pipeline.Reject{Reason: pipeline.ReasonBareTombstone}
	}
	if err := t.checkSubject(m); err != nil {
		return dst, err
	}
	t.rewraps.Place = m.Origin.Place
	if m.Value != nil {
		return t.rewrapValue(ctx, dst, m.Value)
	}
	if n == 0 {
		return dst, nil
	}
	return dst, t.rewrapTombstone(ctx, m, at)
}

func (t *Rewrap) rewrapValue(ctx context.Context, dst, e []byte) ([]byte, error) {
	dst, err := t.rewraps.Rewrap(ctx, dst, e)
	if err != nil {
		return dst, reject(err)
	}
	return dst, nil
}

// rewrapTombstone rewraps the envelope in the header at an index.
func (t *Rewrap) rewrapTombstone(ctx context.Context, m *pipeline.Message, at int) error {
	start := len(t.memory.bytes)
	out, err := t.rewrapValue(ctx, t.memory.bytes, m.Headers[at].Value)
	if err != nil {
		return err
	}
	t.memory.bytes = out
	m.Headers = t.memory.copyHeaders(m.Headers)
	m.Headers[at].Value = out[start:len(out):len(out)]
	return nil
}

// checkSubject refuses a message that the destination would publish under
// another subject.
func (t *Rewrap) checkSubject(m *pipeline.Message) error {
	if t.o.Subject == nil {
		return nil
	}
	was := m.Subject
	if err := t.memory.mapSubject(t.o.Subject, m); err != nil {
		return err
	}
	if (was == nil) != (m.Subject == nil) || !bytes.Equal(was, m.Subject) {
		return &pipeline.Reject{Reason: pipeline.ReasonHeader, Err: errSubject}
	}
	return nil
}
