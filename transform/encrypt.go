package transform

import (
	"context"
	"errors"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// EncryptOptions say how a route is sealed.
type EncryptOptions struct {
	Common
	Sealer *envelope.Sealer         // of the route; every worker takes a share of it
	Place  func(place string) Place // called by many goroutines
}

// Encrypt seals messages. A null value becomes a sealed tombstone: the value
// stays null and a header carries the envelope.
type Encrypt struct {
	o      EncryptOptions
	sealer *envelope.SealWorker
	memory scratch
	place  string // the last message's
	as     Place
	known  bool // as is that of place
}

// NewEncrypt returns the transform of one worker.
func NewEncrypt(o EncryptOptions) (*Encrypt, error) {
	if o.Sealer == nil {
		return nil, errors.New("transform: no sealer")
	}
	var err error
	if o.Bind, err = bindNames(o.Bind); err != nil {
		return nil, err
	}
	return &Encrypt{o: o, sealer: o.Sealer.NewWorker(), memory: newScratch(o.Bind)}, nil
}

// Reset implements pipeline.Transform.
func (t *Encrypt) Reset() { t.memory.reset() }

// Bound implements pipeline.Transform. A tombstone's envelope goes into memory
// of the transform, but is as large.
func (t *Encrypt) Bound(m *pipeline.Message) int { return t.sealer.MaxSize(len(m.Value)) }

// Append implements pipeline.Transform.
func (t *Encrypt) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	if _, n := find(m.Headers); n > 0 {
		return dst, &pipeline.Reject{Reason: pipeline.ReasonReservedHeader}
	}
	if err := t.memory.subject(&t.o.Common, m); err != nil {
		return dst, err
	}
	b := envelope.Binding{Subject: m.Subject, Key: m.Key, Bound: t.memory.bind(m.Headers)}
	if m.Value == nil {
		return dst, t.sealTombstone(ctx, m, &b)
	}
	p := t.positionOf(&m.Origin)
	dst, err := t.sealer.Seal(ctx, dst, m.Value, &b, &p)
	if err != nil {
		return dst, reject(err)
	}
	return dst, nil
}

func (t *Encrypt) sealTombstone(ctx context.Context, m *pipeline.Message, b *envelope.Binding) error {
	b.Kind = envelope.Tombstone
	start := len(t.memory.bytes)
	p := t.positionOf(&m.Origin)
	out, err := t.sealer.Seal(ctx, t.memory.bytes, nil, b, &p)
	if err != nil {
		return reject(err)
	}
	t.memory.bytes = out
	m.Headers = t.memory.with(m.Headers, pipeline.Header{Name: HeaderName, Value: out[start:len(out):len(out)]})
	return nil
}

// positionOf returns where the message was stored.
func (t *Encrypt) positionOf(o *pipeline.Origin) envelope.Position {
	if t.o.Place == nil {
		return envelope.Position{}
	}
	if !t.known || o.Place != t.place {
		t.place, t.as, t.known = o.Place, t.o.Place(o.Place), true
	}
	if t.as.ID == ([7]byte{}) {
		return envelope.Position{}
	}
	return envelope.Position{Place: t.as.ID, Offset: uint64(o.Offset), Distance: distanceOf(o, t.as.Ordered)}
}

// distanceOf returns the Distance of a message (docs/envelope.md, section 3).
func distanceOf(o *pipeline.Origin, ordered bool) uint32 {
	d := o.Offset - o.Previous
	switch {
	case !ordered:
		return 0
	case o.Previous < 0 || d <= 0 || d >= unknown:
		return unknown
	}
	return uint32(d)
}

const unknown = 1<<32 - 1
