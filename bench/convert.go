package main

import (
	"context"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/codec/jwe"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/convert"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// convertLimit is the most time that a conversion may take, as a ratio to
// decrypting and encrypting: 0.8 times the speed.
const convertLimit = 1 / 0.8

// converter makes the transforms of conversions in both directions, and those
// that do the same in two runs.
type converter struct {
	own   *route
	seals *convert.Sealer
	opens *convert.Opener
}

func newConverter(own *route) (c *converter, err error) {
	c = &converter{own: own}
	c.seals, err = convert.NewSealer([]keys.Wrapper{own.kek}, convert.SealerOptions{Format: jwe.Format})
	if err != nil {
		return nil, err
	}
	c.opens, err = convert.NewOpener([]keys.Unwrapper{own.kek}, convert.OpenerOptions{
		Formats: []exchange.Format{jwe.Format},
	})
	return c, err
}

func (c *converter) newEncrypt() (*transform.Encrypt, error) {
	return transform.NewEncrypt(transform.EncryptOptions{Sealer: c.own.sealer, PassSealed: true})
}

func (c *converter) newDecrypt() (*transform.Decrypt, error) {
	return transform.NewDecrypt(transform.DecryptOptions{Opener: c.own.opener})
}

func (c *converter) newEncryptOther() (*transform.EncryptOther, error) {
	return transform.NewEncryptOther(transform.EncryptOtherOptions{
		Sealer: c.seals.NewWorker(), Title: jwe.Format.Title, PassSealed: true,
	})
}

func (c *converter) newDecryptOther() (*transform.DecryptOther, error) {
	return transform.NewDecryptOther(transform.DecryptOtherOptions{Opener: c.opens.NewWorker()})
}

// newTransform is a function of pipeline.Options, but for its error.
type newTransform func() (pipeline.Transform, error)

// hide makes a function of pipeline.Options of one that returns a transform of
// its own type.
func hide[T pipeline.Transform](make func() (T, error)) newTransform {
	return func() (pipeline.Transform, error) { return make() }
}

// joinTransforms returns a conversion of two transforms.
func joinTransforms[O pipeline.Transform, S transform.Seal](
	opens func() (O, error), seals func() (S, error), isThere func([]byte) bool,
) newTransform {
	return func() (pipeline.Transform, error) {
		open, err := opens()
		if err != nil {
			return nil, err
		}
		seal, err := seals()
		if err != nil {
			return nil, err
		}
		return transform.NewConvert(transform.ConvertOptions{Open: open, Seal: seal, IsThere: isThere})
	}
}

// conversion is one direction: the messages that it begins with, the
// conversion, and the two runs that do the same.
type conversion struct {
	name         string
	input        []*pipeline.Batch
	plain        []*pipeline.Batch
	convert      newTransform
	opens, seals newTransform
}

// measureConvert compares a pipeline that converts with two that decrypt and
// encrypt, from memory to memory.
func measureConvert(ctx context.Context, budget time.Duration) ([]Figure, error) {
	own, err := newRoute(ctx, "self")
	if err != nil {
		return nil, err
	}
	defer own.stopRenewal()
	c, err := newConverter(own)
	if err != nil {
		return nil, err
	}
	defer c.seals.Close() //nolint:errcheck // there is no audit log that it could tell of
	sealed, err := sealedBatches(ctx, own, 2)
	if err != nil {
		return nil, err
	}
	other, err := c.sealOther(ctx, 2)
	if err != nil {
		return nil, err
	}
	var figures []Figure
	for _, way := range []conversion{
		{
			"envelope to JWE", sealed, newBatches(2),
			joinTransforms(c.newDecrypt, c.newEncryptOther, jwe.Format.Codec.Recognizes),
			hide(c.newDecrypt), hide(c.newEncryptOther),
		},
		{
			"JWE to envelope", other, newBatches(2),
			joinTransforms(c.newDecryptOther, c.newEncrypt, envelope.IsEnvelope),
			hide(c.newDecryptOther), hide(c.newEncrypt),
		},
	} {
		f, err := way.compareCosts(ctx, budget/2)
		if err != nil {
			return nil, err
		}
		figures = append(figures, f)
	}
	return figures, nil
}

// sealOther returns batches of JWE.
func (c *converter) sealOther(ctx context.Context, n int) ([]*pipeline.Batch, error) {
	w := c.seals.NewWorker()
	batches := newBatches(n)
	for _, b := range batches {
		b.Size = 0
		for i := range b.Messages {
			m := &b.Messages[i]
			var err error
			if m.Value, err = w.Seal(ctx, nil, m.Value); err != nil {
				return nil, err
			}
			b.Size += len(m.Value)
		}
	}
	return batches, nil
}

func (c *conversion) compareCosts(ctx context.Context, budget time.Duration) (Figure, error) {
	const batches = 400
	var ratios, wall []float64
	for end := time.Now().Add(budget); len(ratios) < minRounds || time.Now().Before(end); {
		var costs [3]cost
		for i, part := range []struct {
			from []*pipeline.Batch
			do   newTransform
		}{{c.input, c.convert}, {c.input, c.opens}, {c.plain, c.seals}} {
			race := rewrapRace{workers: 1, ends: func(batches int) (pipeline.Source, pipeline.Sink, error) {
				return &repeater{batches: batches, pool: part.from}, new(discard), nil
			}}
			var err error
			costs[i], err = timeMessages(batches, func() error { return race.runPipeline(ctx, part.do, batches) })
			if err != nil {
				return Figure{}, err
			}
		}
		ratios = append(ratios, costs[0].cpu/(costs[1].cpu+costs[2].cpu))
		wall = append(wall, costs[0].wall/(costs[1].wall+costs[2].wall))
	}
	ratio, by := middleOf(ratios), middleOf(wall)
	return Figure{
		Part: "convert", Name: "1 KiB, " + c.name,
		Value: ratio.median, Unit: "x", Limit: newLimit(convertLimit), Spread: ratio.makeSpread(),
		Beside: map[string]float64{"wall ratio": by.median, "rounds": float64(len(ratios))},
		Note: fmt.Sprintf("of the processor time of decrypt plus encrypt, %.3f to %.3f; %.2f times their speed; "+
			"by the clock %.3fx", ratio.low, ratio.high, 1/ratio.median, by.median),
	}, nil
}
