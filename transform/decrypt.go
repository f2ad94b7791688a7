package transform

import (
	"context"
	"errors"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// DecryptOptions say how a route is opened.
type DecryptOptions struct {
	// Opener is that of the route; every worker takes a share of it. It must
	// have ExtraHeaders set.
	Opener  *envelope.Opener
	Subject MapSubject
	// SealedSubject gives back the subject under which a message was sealed, of
	// a source that has others: a mirror, or a republished stream. From then on
	// the message has it, also for Subject.
	SealedSubject MapSubject
	// PassTombstones lets a null value without an envelope through. Everyone
	// who can write to the source can then delete any key.
	PassTombstones bool
	// PassPlain lets values through that are no envelopes. Of these messages,
	// and of bare tombstones, headers that are instructions do not pass.
	PassPlain bool
	// PassExtraHeaders passes on headers that were not sealed, but for those
	// that are instructions. Else they are left out.
	PassExtraHeaders bool
	// Other, if not nil, opens values that are no envelopes: messages of other
	// formats, and it refuses all others. It has its own options.
	Other *DecryptOther
}

// Decrypt opens messages, and checks and removes the envelope of a sealed
// tombstone.
type Decrypt struct {
	o      DecryptOptions
	opener *envelope.OpenWorker
	bind   *envelope.Bind
	memory scratch
}

// NewDecrypt returns the transform of one worker.
func NewDecrypt(o DecryptOptions) (*Decrypt, error) {
	if o.Opener == nil {
		return nil, errors.New("transform: no opener")
	}
	bind := o.Opener.Bind()
	return &Decrypt{o: o, opener: o.Opener.NewWorker(), bind: &bind}, nil
}

// Reset implements pipeline.Transform.
func (t *Decrypt) Reset() {
	t.memory.reset()
	if t.o.Other != nil {
		t.o.Other.Reset()
	}
}

// Bound implements pipeline.Transform. A payload is shorter than its envelope,
// unless it is compressed.
func (t *Decrypt) Bound(m *pipeline.Message) int { return t.opener.MaxSize(m.Value) }

// Append implements pipeline.Transform. On an error dst comes back as it was,
// and its spare capacity holds no plaintext.
func (t *Decrypt) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	if t.o.Other != nil && m.Value != nil && !envelope.IsEnvelope(m.Value) {
		return t.o.Other.Append(ctx, dst, m)
	}
	m.Mark = [32]byte{}
	if err := t.memory.mapSubject(t.o.SealedSubject, m); err != nil {
		return dst, err
	}
	out, err := t.openMessage(ctx, dst, m)
	if err != nil {
		return dst, err
	}
	if err := t.memory.mapSubject(t.o.Subject, m); err != nil {
		clear(out[len(dst):])
		return dst, err
	}
	return out, nil
}

func (t *Decrypt) openMessage(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	at, n := findTombstone(m.Headers)
	switch {
	case n > 1 || n == 1 && m.Value != nil:
		return dst, &pipeline.Reject{Reason: pipeline.ReasonReservedHeader}
	case m.Value == nil && n == 0 && t.o.PassTombstones:
		m.Headers = t.memory.keepPlainHeaders(m.Headers, t.bind, true)
		return dst, nil
	case m.Value == nil && n == 0:
		return dst, &pipeline.Reject{Reason: pipeline.ReasonBareTombstone}
	}
	b := t.memory.bindingOf(m)
	sealed := m.Value
	if m.Value == nil {
		b.Kind, sealed = envelope.Tombstone, m.Headers[at].Value
	}
	t.opener.Place = m.Origin.Place
	out, opened, err := t.opener.Open(ctx, dst, sealed, &b)
	if refused, ok := errors.AsType[*envelope.Error](err); ok && t.o.PassPlain &&
		refused.Reason == envelope.ReasonNotEnvelope && m.Value != nil {
		m.Headers = t.memory.keepPlainHeaders(m.Headers, t.bind, false)
		return append(dst, m.Value...), nil
	}
	if err != nil {
		return dst, reject(err)
	}
	m.Headers = t.memory.keepHeaders(m.Headers, t.bind, &opened, t.o.PassExtraHeaders)
	writeMark(m, &opened, opened.Extra)
	return out, nil
}
