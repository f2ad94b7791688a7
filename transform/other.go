package transform

import (
	"context"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// OtherSealer seals payloads in a format of other tools, such as JWE. Its
// refusals are *envelope.Error.
type OtherSealer interface {
	// Recognizes tells whether b begins like a message of the format.
	Recognizes(b []byte) bool
	// MaxSize is the most bytes that Seal appends for a payload of n bytes.
	MaxSize(n int) int
	Seal(ctx context.Context, dst, payload []byte) ([]byte, error)
}

// OtherOpener opens messages in formats of other tools. Its refusals are
// *envelope.Error, and then nothing is left in the spare capacity of dst.
type OtherOpener interface {
	Open(ctx context.Context, place string, dst, b []byte) ([]byte, error)
}

// EncryptOtherOptions say how a route is sealed in another format.
type EncryptOtherOptions struct {
	Sealer  OtherSealer // of this worker alone
	Title   string      // of the format, for errors
	Subject MapSubject
	Medium  envelope.Medium // of the destination
	// PassSealed, Effects: see EncryptOptions. PassSealed is about envelopes
	// and about messages of the format.
	PassSealed, Effects bool
	// PassTombstones lets null values through as they are. Without it they are
	// rejected: the format has nothing that only a sealer can delete with.
	PassTombstones bool
}

// EncryptOther seals messages in another format, which binds the payload to
// nothing: neither position nor key, headers, subject and time.
type EncryptOther struct {
	o      EncryptOtherOptions
	memory scratch
}

// NewEncryptOther returns the transform of one worker.
func NewEncryptOther(o EncryptOtherOptions) (*EncryptOther, error) {
	if o.Sealer == nil {
		return nil, errors.New("transform: no sealer")
	}
	return &EncryptOther{o: o}, nil
}

// Reset implements pipeline.Transform.
func (t *EncryptOther) Reset() { t.memory.reset() }

// Bound implements pipeline.Transform.
func (t *EncryptOther) Bound(m *pipeline.Message) int { return t.boundSealed(len(m.Value)) }

func (t *EncryptOther) boundSealed(n int) int { return t.o.Sealer.MaxSize(n) }

// Append implements pipeline.Transform.
func (t *EncryptOther) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	switch {
	case hasReserved(m.Headers, t.o.Effects, t.o.Medium):
		return dst, &pipeline.Reject{Reason: pipeline.ReasonReservedHeader}
	case !t.o.PassSealed && (envelope.IsEnvelope(m.Value) || t.o.Sealer.Recognizes(m.Value)):
		return dst, &pipeline.Reject{Reason: pipeline.ReasonAlreadySealed}
	case m.Value == nil && !t.o.PassTombstones:
		err := fmt.Errorf("%s: %s has no sealed tombstones", pipeline.ReasonBareTombstone, t.o.Title)
		return dst, &pipeline.Reject{Reason: pipeline.ReasonBareTombstone, Err: err}
	}
	if err := t.memory.mapSubject(t.o.Subject, m); err != nil {
		return dst, err
	}
	if m.Value == nil {
		return dst, nil
	}
	dst, err := t.o.Sealer.Seal(ctx, dst, m.Value)
	if err != nil {
		return dst, reject(err)
	}
	return dst, nil
}

// DecryptOtherOptions say how messages of other formats are opened. All but
// Opener and Bind are as in DecryptOptions.
type DecryptOtherOptions struct {
	Opener         OtherOpener // of this worker alone
	Bind           envelope.Bind
	Subject        MapSubject
	SealedSubject  MapSubject
	PassTombstones bool
	PassPlain      bool
	// PassExtraHeaders passes on headers, none of which is sealed, but for
	// those that are instructions.
	PassExtraHeaders bool
}

// DecryptOther opens messages of other formats. To a Gate they are envelopes
// that name no place.
type DecryptOther struct {
	o      DecryptOtherOptions
	memory scratch
}

// NewDecryptOther returns the transform of one worker.
func NewDecryptOther(o DecryptOtherOptions) (*DecryptOther, error) {
	if o.Opener == nil {
		return nil, errors.New("transform: no opener")
	}
	return &DecryptOther{o: o}, nil
}

// Reset implements pipeline.Transform.
func (t *DecryptOther) Reset() { t.memory.reset() }

// Bound implements pipeline.Transform.
func (t *DecryptOther) Bound(m *pipeline.Message) int { return len(m.Value) }

// Append implements pipeline.Transform. On an error dst comes back as it was,
// and its spare capacity holds no plaintext.
func (t *DecryptOther) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
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

func (t *DecryptOther) openMessage(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	_, n := findTombstone(m.Headers)
	switch {
	case n > 0:
		return dst, &pipeline.Reject{Reason: pipeline.ReasonReservedHeader}
	case m.Value == nil && !t.o.PassTombstones:
		return dst, &pipeline.Reject{Reason: pipeline.ReasonBareTombstone}
	case m.Value == nil:
		m.Headers = t.memory.keepPlainHeaders(m.Headers, &t.o.Bind, true)
		return dst, nil
	}
	out, err := t.o.Opener.Open(ctx, m.Origin.Place, dst, m.Value)
	if refused, ok := errors.AsType[*envelope.Error](err); ok && t.o.PassPlain &&
		refused.Reason == envelope.ReasonNotEnvelope {
		m.Headers = t.memory.keepPlainHeaders(m.Headers, &t.o.Bind, false)
		return append(dst, m.Value...), nil
	}
	if err != nil {
		return dst, reject(err)
	}
	extra := 0
	for i := range m.Headers {
		if t.o.Bind.Counts(m.Headers[i].Name) {
			extra++
		}
	}
	opened := envelope.Opened{}
	m.Headers = t.memory.keepHeaders(m.Headers, &t.o.Bind, &opened, t.o.PassExtraHeaders)
	writeMark(m, &opened, extra)
	return out, nil
}
