package route

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// How many messages of a place of the destination are looked at, from its end
// back: for the look that every start takes, and for one that must find the
// last message of a source.
const (
	shortLook = 8
	longLook  = maxPeeks
)

// checkSealedStart refuses start=sealed where nobody can know where the
// destination ends.
func (p *plan) checkSealedStart() error {
	switch {
	case !p.source.StartsSealed:
	case p.do != encrypt:
		return hint.New("start=sealed: only a run that encrypts finds its messages in the destination",
			"say start=earliest, or leave it out")
	case !p.sink.ShowsHeld:
		return hint.New("start=sealed: "+p.sink.Name+" does not show what it holds; only a Kafka topic does",
			"say start=earliest, or leave it out")
	case p.sink.Repartitions:
		return hint.New("start=sealed: the messages of a partition go to several, and none tells where all of them end",
			"leave out partition=key, or say start=earliest")
	}
	return nil
}

var errHeldAlready = errors.New("the destination holds messages of the source already")

// checkStart refuses a run that would carry messages a second time without
// anybody having said so.
func (p *plan) checkStart(ctx context.Context, in *endpoint.Source, out *endpoint.Sink) error {
	if err := p.checkHeld(ctx, in, out); err != nil {
		return err
	}
	return checkRepeats(ctx, in, out)
}

// checkHeld refuses a run that would seal messages a second time, because the
// source has lost its positions and nobody has said where to begin. With
// start=sealed it tells the source where the destination ends, and finds out
// whether that can be known.
func (p *plan) checkHeld(ctx context.Context, in *endpoint.Source, out *endpoint.Sink) error {
	if in.UseSealed != nil {
		if err := p.useSealed(ctx, in, out); err != nil {
			return hint.PrefixError(endpoint.From.String(), err)
		}
		return nil
	}
	if p.do != encrypt || p.seals != nil || in.FreshPlaces == nil || out.OpenPeekers == nil ||
		in.Keeper == "" && out.MayRepeat {
		return nil
	}
	held := newHeld(p, in, out, shortLook)
	places, err := in.FreshPlaces(ctx)
	if err != nil {
		return hint.PrefixError(endpoint.From.String(), err)
	}
	for _, place := range places {
		switch last, err := held.findLast(ctx, place); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errNotFound):
		case err != nil:
			// Sealing takes no right to read the destination.
			p.env.Log.Info("whether the destination holds messages of the source already is not known",
				"to", p.sink.Name, "error", err)
			return nil
		case last >= 0:
			return adviseOnHeld(in, fmt.Errorf("%s: %w: %s@%d", endpoint.From, errHeldAlready, place, last))
		}
	}
	return nil
}

var errHoldsRecords = errors.New("the destination is not empty")

// checkRepeats refuses a run that begins anew each time, into a destination
// that holds records: run twice it would store its messages twice.
func checkRepeats(ctx context.Context, in *endpoint.Source, out *endpoint.Sink) error {
	if in.BeginsAnew == nil || out.HoldsRecords == nil || out.MayRepeat {
		return nil
	}
	for _, place := range in.BeginsAnew() {
		holds, err := out.HoldsRecords(ctx, place)
		if err != nil {
			return hint.PrefixError(endpoint.To.String(), err)
		}
		if holds {
			return hint.PrefixError(endpoint.To.String(), &hint.Error{Err: errHoldsRecords,
				Hint: "a run without group= keeps no positions, so its messages may be there already: say group=NAME " +
					"on --from to go on where the last run ended, or delivery=at-least-once on --to to store them " +
					"again"})
		}
	}
	return nil
}

// adviseOnHeld adds advice to the error of a destination that holds messages of
// the source.
func adviseOnHeld(in *endpoint.Source, err error) error {
	why, again := "there is no group that remembers how far the source was read", "delivery=at-least-once on --to"
	if in.Keeper != "" {
		why, again = in.Keeper+" is new, or its positions have expired", "start=earliest"
	}
	return &hint.Error{Err: err, Hint: why + ": start=sealed goes on behind what the destination holds, " +
		again + " seals everything again"}
}

// useSealed has the source begin behind its last messages in the destination.
func (p *plan) useSealed(ctx context.Context, in *endpoint.Source, out *endpoint.Sink) error {
	held := newHeld(p, in, out, longLook)
	in.UseSealed(held.findNext)
	places, err := in.FreshPlaces(ctx)
	if err != nil {
		return err
	}
	for _, place := range places {
		next, err := held.findNext(ctx, place)
		if err != nil {
			return err
		}
		if next >= 0 {
			p.env.Log.Info("goes on behind what the destination holds", "place", place, "next", next)
		}
	}
	return nil
}

// held looks for messages of a source in the destination. It believes the
// claims of envelopes: a run that only seals may have no key to verify them.
type held struct {
	in    *endpoint.Source
	out   *endpoint.Sink
	find  func(m *pipeline.Message) ([]byte, error)
	limit int // of messages that are looked at, of each place of the destination
}

func newHeld(p *plan, in *endpoint.Source, out *endpoint.Sink, limit int) *held {
	return &held{in, out, findSealed(p.sink.TextHeaders), limit}
}

var errNotFound = errors.New("not among the last messages of the destination")

// findNext returns the offset behind the last message of a place that the
// destination holds, or -1 if that is empty or the place has no messages in it.
func (h *held) findNext(ctx context.Context, place string) (int64, error) {
	last, err := h.findLast(ctx, place)
	if err != nil {
		return 0, fmt.Errorf("start=sealed: %s: %w", place, err)
	}
	if last < 0 {
		return -1, nil
	}
	return last + 1, nil
}

// findLast returns the highest offset that envelopes of a place claim, among
// the last ones that the destination holds of it; -1 if it holds none.
func (h *held) findLast(ctx context.Context, place string) (int64, error) {
	identity := h.in.Identity
	if h.in.IdentifyPlace != nil {
		identity = h.in.IdentifyPlace(place)
	}
	number, ok := h.in.NumberPlace(place)
	if identity == nil || !ok {
		return 0, errors.New("its messages cannot be told from others: the brokers give topics no ids (Kafka 2.8)")
	}
	peekers, err := h.out.OpenPeekers(ctx, place)
	if err != nil {
		return 0, err
	}
	of := envelope.Position{Source: identity.Short(), Partition: uint16(number)}
	best := int64(-1)
	for _, peeker := range peekers {
		last, err := h.lookBack(ctx, peeker, &of)
		if err != nil {
			return 0, err
		}
		best = max(best, last)
	}
	return best, nil
}

// lookBack looks at the messages of a place of the destination from its end
// back, in steps that grow, since not every offset has a message.
func (h *held) lookBack(ctx context.Context, peeker endpoint.Peeker, of *envelope.Position) (int64, error) {
	first, end := peeker.Bounds()
	looked := 0
	for step := int64(shortLook); end > first; step *= 4 {
		from := max(first, end-step)
		best := int64(-1)
		for offset := from; offset < end; {
			m, err := peeker.Peek(ctx, offset)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return 0, err
			}
			if offset = m.Origin.Offset + 1; offset > end {
				break // it was looked at before
			}
			looked++
			best = max(best, h.claimedOffset(&m, of))
		}
		if best >= 0 || from == first {
			return best, nil
		}
		if looked >= h.limit {
			return 0, errNotFound
		}
		end = from
	}
	return -1, nil
}

// claimedOffset returns the offset that the envelope of a message claims, or -1
// if it is none of this source and partition.
func (h *held) claimedOffset(m *pipeline.Message, of *envelope.Position) int64 {
	sealed, err := h.find(m)
	if err != nil {
		return -1
	}
	claimed, ok := envelope.ClaimedPosition(sealed)
	if !ok || claimed.Source != of.Source || claimed.Partition != of.Partition {
		return -1
	}
	return int64(claimed.Offset)
}
