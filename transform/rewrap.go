package transform

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

var errSubject = errors.New("header: the destination would change the subject that the envelope is bound to")

// RewrapOptions say how a route is rewrapped.
type RewrapOptions struct {
	Keys *kekcache.Rewrapping
	// Subject is that of Common. A message whose subject it changes is rejected: nobody could open it any more.
	Subject func(dst, subject []byte) ([]byte, error)
	// PassTombstones lets a null value without an envelope through.
	PassTombstones bool
	Stats          *RewrapStats // may be nil
}

// RewrapStats count what Rewraps do, a batch at a time; a lane that is served again counts again. The counters only grow.
type RewrapStats struct {
	Rewrapped atomic.Int64 // envelopes with new recipients
	Already   atomic.Int64 // envelopes that had them
}

// Rewrap replaces the recipients of envelopes, in values and in what sealed tombstones carry. Nothing else of a message changes.
//
// It leaves the Mark empty, and no Gate belongs behind it: duplicates and gaps are copied, for the one who opens the messages to
// judge, who alone can tell genuine positions from forged ones.
type Rewrap struct {
	o        RewrapOptions
	rewraps  *envelope.Rewrapper
	memory   scratch
	reported envelope.RewrapCounts
}

// NewRewrap returns the transform of one worker.
func NewRewrap(o RewrapOptions) (*Rewrap, error) {
	if o.Keys == nil {
		return nil, errors.New("transform: no keys to rewrap with")
	}
	if o.Stats == nil {
		o.Stats = new(RewrapStats)
	}
	return &Rewrap{o: o, rewraps: envelope.NewRewrapper(o.Keys)}, nil
}

// Reset implements pipeline.Transform.
func (t *Rewrap) Reset() {
	t.memory.reset()
	now := t.rewraps.Counts()
	t.o.Stats.Rewrapped.Add(now.Rewrapped - t.reported.Rewrapped)
	t.o.Stats.Already.Add(now.Already - t.reported.Already)
	t.reported = now
}

// Bound implements pipeline.Transform. A tombstone's envelope goes into memory of the transform.
func (t *Rewrap) Bound(m *pipeline.Message) int {
	if m.Value == nil {
		if at, n := find(m.Headers); n > 0 {
			return t.rewraps.Bound(len(m.Headers[at].Value))
		}
	}
	return t.rewraps.Bound(len(m.Value))
}

// Append implements pipeline.Transform.
func (t *Rewrap) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	at, n := find(m.Headers)
	switch {
	case n > 1 || n == 1 && m.Value != nil:
		return dst, &pipeline.Reject{Reason: pipeline.ReasonReservedHeader}
	case m.Value == nil && n == 0 && !t.o.PassTombstones:
		return dst, &pipeline.Reject{Reason: pipeline.ReasonBareTombstone}
	}
	if err := t.sameSubject(m); err != nil {
		return dst, err
	}
	if m.Value != nil {
		return t.rewrap(ctx, dst, m.Value)
	}
	if n == 0 {
		return dst, nil
	}
	return dst, t.tombstone(ctx, m, at)
}

func (t *Rewrap) rewrap(ctx context.Context, dst, e []byte) ([]byte, error) {
	dst, err := t.rewraps.Rewrap(ctx, dst, e)
	if err != nil {
		return dst, reject(err)
	}
	return dst, nil
}

// tombstone rewraps what the header at an index carries.
func (t *Rewrap) tombstone(ctx context.Context, m *pipeline.Message, at int) error {
	start := len(t.memory.bytes)
	out, err := t.rewrap(ctx, t.memory.bytes, m.Headers[at].Value)
	if err != nil {
		return err
	}
	t.memory.bytes = out
	m.Headers = t.memory.copy(m.Headers)
	m.Headers[at].Value = out[start:len(out):len(out)]
	return nil
}

// sameSubject refuses a message that the destination would publish under another subject.
func (t *Rewrap) sameSubject(m *pipeline.Message) error {
	if t.o.Subject == nil {
		return nil
	}
	was := m.Subject
	if err := t.memory.subject(&Common{Subject: t.o.Subject}, m); err != nil {
		return err
	}
	if (was == nil) != (m.Subject == nil) || !bytes.Equal(was, m.Subject) {
		return &pipeline.Reject{Reason: pipeline.ReasonHeader, Err: errSubject}
	}
	return nil
}
