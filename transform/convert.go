package transform

import (
	"context"
	"errors"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// ConvertOptions say how a route is converted: opened in one format and sealed
// in another.
type ConvertOptions struct {
	Open pipeline.Transform // a *Decrypt or a *DecryptOther of this worker
	Seal Seal               // an *Encrypt or an *EncryptOther of this worker
	// IsThere tells whether a value is in the other format already. Such a
	// message is rejected.
	IsThere func(value []byte) bool
}

// Seal is a transform that seals.
type Seal interface {
	pipeline.Transform
	boundSealed(n int) int // the most bytes that a payload of n bytes becomes
}

// Convert opens messages and seals them again. Plaintext is in memory of the
// worker for as long as one message takes, and is cleared. The Mark of a
// message is that of the one that was opened, for the Gate.
type Convert struct {
	o     ConvertOptions
	plain []byte
}

// NewConvert returns the transform of one worker.
func NewConvert(o ConvertOptions) (*Convert, error) {
	if o.Open == nil || o.Seal == nil || o.IsThere == nil {
		return nil, errors.New("transform: nothing to convert with")
	}
	return &Convert{o: o, plain: []byte{}}, nil
}

// Reset implements pipeline.Transform.
func (t *Convert) Reset() {
	t.o.Open.Reset()
	t.o.Seal.Reset()
	if cap(t.plain) > maxPlain {
		t.plain = []byte{}
	}
}

// maxPlain is how much memory for a payload is kept from one batch to the next,
// in bytes.
const maxPlain = 1 << 20

// Bound implements pipeline.Transform: of the payload and of the message that
// it becomes, since both are in memory.
func (t *Convert) Bound(m *pipeline.Message) int {
	n := t.o.Open.Bound(m)
	return n + t.o.Seal.boundSealed(n)
}

// Append implements pipeline.Transform.
func (t *Convert) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	if m.Value != nil && t.o.IsThere(m.Value) {
		return dst, &pipeline.Reject{Reason: pipeline.ReasonAlreadySealed}
	}
	plain, err := t.o.Open.Append(ctx, t.plain[:0], m)
	if err != nil {
		return dst, err
	}
	defer clear(plain)
	t.plain = plain[:0]
	was := m.Value
	if was != nil {
		m.Value = plain
	}
	dst, err = t.o.Seal.Append(ctx, dst, m)
	m.Value = was
	return dst, err
}
