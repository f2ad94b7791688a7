package transform

import (
	"context"
	"errors"
	"strings"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// EncryptOptions say how a route is sealed.
type EncryptOptions struct {
	Sealer  *envelope.Sealer         // of the route; every worker takes a share of it
	Place   func(place string) Place // called by many goroutines; nil: positions say nothing
	Subject MapSubject
	// PassSealed has values sealed that are envelopes already.
	PassSealed bool
	// Effects says that the source itself gives headers with an effect (rollup,
	// TTL, message id) names of ours, and lets no user give them.
	Effects bool
}

// Encrypt seals messages. A null value becomes a sealed tombstone: the value
// stays null and a header carries the envelope.
type Encrypt struct {
	o      EncryptOptions
	sealer *envelope.SealWorker
	medium envelope.Medium
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
	return &Encrypt{o: o, sealer: o.Sealer.NewWorker(), medium: o.Sealer.Bind().Medium}, nil
}

// Reset implements pipeline.Transform.
func (t *Encrypt) Reset() { t.memory.reset() }

// Bound implements pipeline.Transform. A tombstone's envelope goes into memory
// of the transform, but is as large.
func (t *Encrypt) Bound(m *pipeline.Message) int { return t.boundSealed(len(m.Value)) }

func (t *Encrypt) boundSealed(n int) int { return t.sealer.MaxSize(n) }

// Append implements pipeline.Transform.
func (t *Encrypt) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	if hasReserved(m.Headers, t.o.Effects, t.medium) {
		return dst, &pipeline.Reject{Reason: pipeline.ReasonReservedHeader}
	}
	if !t.o.PassSealed && envelope.IsEnvelope(m.Value) {
		return dst, &pipeline.Reject{Reason: pipeline.ReasonAlreadySealed}
	}
	if err := t.memory.mapSubject(t.o.Subject, m); err != nil {
		return dst, err
	}
	b := t.memory.bindingOf(m)
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

// hasReserved tells whether a message has a header whose name is ours: on NATS
// every name that begins so, and anywhere one that has an effect on NATS,
// unless it comes from the source itself, which effects says.
func hasReserved(headers []pipeline.Header, effects bool, medium envelope.Medium) bool {
	for i := range headers {
		name := headers[i].Name
		if len(name) < len(HeaderName) || !strings.EqualFold(name[:len(HeaderName)], HeaderName) {
			continue
		}
		effect := isEffect(name)
		if name == HeaderName || effect && !effects || !effect && medium == envelope.Stream {
			return true
		}
	}
	return false
}

// isEffect tells whether a header of this name has an effect on NATS
// (docs/envelope.md, section 18). KV-Operation has one under its own name.
func isEffect(name string) bool {
	return name == "Streamcrypt-Msg-Id" || name == "Streamcrypt-Rollup" || name == "Streamcrypt-TTL"
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
	m.Headers = t.memory.addHeader(m.Headers, pipeline.Header{Name: HeaderName, Value: out[start:len(out):len(out)]})
	return nil
}

// positionOf returns where the message was stored. A message that no position
// can name has none.
func (t *Encrypt) positionOf(o *pipeline.Origin) envelope.Position {
	if t.o.Place == nil {
		return envelope.Position{}
	}
	if !t.known || o.Place != t.place {
		t.place, t.as, t.known = o.Place, t.o.Place(o.Place), true
	}
	if t.as.Source == ([5]byte{}) || o.Offset < 0 || o.Offset > envelope.MaxOffset || o.Term > envelope.MaxTerm {
		return envelope.Position{}
	}
	return envelope.Position{
		Source: t.as.Source, Partition: t.as.Partition, Term: o.Term,
		Offset: uint64(o.Offset), Distance: distanceOf(o, t.as.Ordered),
		Rising: t.as.Rising, SamePartition: t.as.SamePartition,
	}
}

// distanceOf returns the Distance of a message (docs/envelope.md, section 3).
func distanceOf(o *pipeline.Origin, ordered bool) uint32 {
	d := o.Offset - o.Previous
	switch {
	case !ordered:
		return 0
	case o.Previous < 0 || d <= 0 || d >= envelope.UnknownDistance:
		return envelope.UnknownDistance
	}
	return uint32(d)
}
