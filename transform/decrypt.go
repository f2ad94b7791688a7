package transform

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// DecryptOptions say how a route is opened.
type DecryptOptions struct {
	Common
	Opener *envelope.Opener // of the route; every worker takes a share of it
	// PassTombstones lets a null value without an envelope through. Whoever can
	// write to the source can then delete any key.
	PassTombstones bool
}

// Decrypt opens messages, and checks and removes the envelope of a sealed
// tombstone.
type Decrypt struct {
	o      DecryptOptions
	opener *envelope.OpenWorker
	memory scratch
}

// NewDecrypt returns the transform of one worker.
func NewDecrypt(o DecryptOptions) (*Decrypt, error) {
	if o.Opener == nil {
		return nil, errors.New("transform: no opener")
	}
	var err error
	if o.Bind, err = bindNames(o.Bind); err != nil {
		return nil, err
	}
	return &Decrypt{
		o:      o,
		opener: o.Opener.NewWorker(),
		memory: newScratch(o.Bind),
	}, nil
}

// Reset implements pipeline.Transform.
func (t *Decrypt) Reset() { t.memory.reset() }

// Bound implements pipeline.Transform: a payload is shorter than its envelope.
func (t *Decrypt) Bound(m *pipeline.Message) int { return len(m.Value) }

// Append implements pipeline.Transform. On an error dst comes back as it was,
// and its spare capacity holds no plaintext.
func (t *Decrypt) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	m.Mark = [24]byte{}
	out, err := t.openMessage(ctx, dst, m)
	if err != nil {
		return dst, err
	}
	if err := t.memory.subject(&t.o.Common, m); err != nil {
		clear(out[len(dst):])
		return dst, err
	}
	return out, nil
}

func (t *Decrypt) openMessage(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	at, n := find(m.Headers)
	switch {
	case n > 1 || n == 1 && m.Value != nil:
		return dst, &pipeline.Reject{Reason: pipeline.ReasonReservedHeader}
	case m.Value == nil && n == 0 && t.o.PassTombstones:
		return dst, nil
	case m.Value == nil && n == 0:
		return dst, &pipeline.Reject{Reason: pipeline.ReasonBareTombstone}
	}
	b := envelope.Binding{Subject: m.Subject, Key: m.Key, Bound: t.memory.bind(m.Headers)}
	sealed := m.Value
	if m.Value == nil {
		b.Kind, sealed = envelope.Tombstone, m.Headers[at].Value
	}
	out, p, err := t.opener.Open(ctx, dst, sealed, &b)
	if err != nil {
		return dst, reject(err)
	}
	if m.Value == nil {
		m.Headers = t.memory.without(m.Headers, at)
	}
	markPosition(m, &p)
	return out, nil
}

// markPosition notes the position for the Gate, in the order of
// docs/envelope.md, section 3. The last byte is spare.
func markPosition(m *pipeline.Message, p *envelope.Position) {
	copy(m.Mark[:7], p.Place[:])
	binary.BigEndian.PutUint64(m.Mark[7:], p.Offset)
	binary.BigEndian.PutUint32(m.Mark[15:], p.Distance)
	binary.BigEndian.PutUint32(m.Mark[19:], p.Created)
}
