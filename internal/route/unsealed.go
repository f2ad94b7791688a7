package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// firstLook is how many values at the beginning of a source are looked at
// before anything is written.
const firstLook = 16

var errAlreadySealed = errors.New("already-sealed: it holds envelopes")

// adviseOnSealed adds advice to the error of a source that is sealed already.
func adviseOnSealed(err error) error {
	return &hint.Error{Err: err, Hint: "are --from and --to the right way round? " +
		"streamcrypt rewrap replaces the keys of envelopes, streamcrypt decrypt opens them"}
}

// checkUnsealed refuses a source that begins with envelopes only. The transform
// refuses later ones one by one.
func (p *plan) checkUnsealed(ctx context.Context, in *endpoint.Source) error {
	if p.do != encrypt || in.Peek == nil || p.passes(pipeline.ReasonAlreadySealed) {
		return nil
	}
	msgs, err := in.Peek(ctx, firstLook)
	if err != nil || len(msgs) == 0 {
		return err
	}
	for i := range msgs {
		if !isSealed(&msgs[i]) {
			return nil
		}
	}
	return adviseOnSealed(fmt.Errorf("from: %s: %w", p.source.Name, errAlreadySealed))
}

func isSealed(m *pipeline.Message) bool {
	if m.Value != nil {
		return envelope.IsEnvelope(m.Value)
	}
	e, ok := findTombstone(m)
	return ok && envelope.IsEnvelope(e)
}

// rawHead is more than the head of an envelope has before its ciphertext.
const rawHead = 4096

// checkUnsealedRaw returns a reader of the same payload, or an error if that is
// an envelope.
func checkUnsealedRaw(in io.Reader) (io.Reader, error) {
	head := make([]byte, rawHead)
	n, err := io.ReadFull(in, head)
	switch {
	case envelope.IsEnvelope(head[:n]):
		return nil, adviseOnSealed(errAlreadySealed)
	case err == nil:
		return io.MultiReader(bytes.NewReader(head), in), nil
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		return bytes.NewReader(head[:n]), nil
	}
	return nil, err
}
