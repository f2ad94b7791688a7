package offsets

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

const (
	// spread is how many envelopes all over a log are looked at, to find out
	// whether positions rise.
	spread = 32
	// beside is how many offsets before the envelope that was found, and behind
	// it, are looked at one by one.
	beside = 512
)

// hit is the result of a search.
type hit struct {
	offset  int64 // of the first envelope at or behind the position; -1 for none
	claimed int64
	time    time.Time
	last    int64 // without one: the highest position that is claimed; -1 for none
	scanned bool
}

// findEnvelope finds the first envelope of a log of plaintext at or behind the
// position of the readers. Bisection is right if positions rise, so that the
// envelopes all over the log and around the result have to agree with that.
// Otherwise the log is read from its beginning.
func findEnvelope(ctx context.Context, p *Plain, q *Sealed, o Options) (hit, error) {
	if !o.Scan {
		b := bisection{plain: p, log: q.Log, options: o}
		found, err := b.findHit(ctx)
		if err != nil || !b.broken {
			return found, err
		}
	}
	return scanPair(ctx, p, q, o)
}

// probe is an envelope that was looked at.
type probe struct{ offset, claimed int64 }

type bisection struct {
	plain   *Plain
	log     Log
	options Options
	probes  []probe
	// broken says that a message is no envelope of the plaintext, or that
	// positions do not rise.
	broken bool
}

func (b *bisection) findHit(ctx context.Context) (hit, error) {
	found := hit{offset: -1, last: -1}
	first, end := b.log.Bounds()
	for low, high := first, end; low < high && !b.broken; {
		middle := low + (high-low)/2
		m, claimed, ok, err := b.lookAt(ctx, middle)
		switch {
		case err != nil:
			return found, err
		case !ok || m.Origin.Offset >= high:
			high = middle // nothing is between
		case claimed >= b.plain.Next:
			high = middle
			found.offset, found.claimed, found.time = m.Origin.Offset, claimed, m.Time
		default:
			low = m.Origin.Offset + 1
			found.last = claimed
		}
	}
	if b.broken {
		return found, nil
	}
	return found, b.checkOrder(ctx, found)
}

// lookAt returns the first message at or behind an offset. It is false if
// there is none.
func (b *bisection) lookAt(ctx context.Context, offset int64) (m pipeline.Message, claimed int64, ok bool, err error) {
	m, ok, err = peekAt(ctx, b.log, offset)
	if err != nil || !ok {
		return m, 0, false, err
	}
	return m, b.noteProbe(&m), true, nil
}

// noteProbe notes an envelope, and returns the position that it claims.
func (b *bisection) noteProbe(m *pipeline.Message) int64 {
	claimed, ok := claimOf(m, b.plain, b.options)
	if !ok {
		b.broken = true
		return 0
	}
	b.probes = append(b.probes, probe{m.Origin.Offset, claimed})
	return claimed
}

// checkOrder finds out whether positions rise, as far as envelopes are looked
// at.
func (b *bisection) checkOrder(ctx context.Context, found hit) error {
	first, end := b.log.Bounds()
	for n := int64(0); n < spread && !b.broken; n++ {
		if _, _, _, err := b.lookAt(ctx, first+(end-first)/spread*n); err != nil {
			return err
		}
	}
	at := found.offset
	if at < 0 {
		at = end
	}
	err := scanLog(ctx, b.log, max(first, at-beside), func(m *pipeline.Message) (bool, error) {
		if m.Origin.Offset < at+beside {
			b.noteProbe(m)
		}
		return m.Origin.Offset < at+beside && !b.broken, nil
	})
	slices.SortFunc(b.probes, func(x, y probe) int { return cmp.Compare(x.offset, y.offset) })
	b.probes = slices.Compact(b.probes)
	for i := 1; i < len(b.probes); i++ {
		if b.probes[i].claimed <= b.probes[i-1].claimed {
			b.broken = true
		}
	}
	return err
}

// claimOf returns the position that a message claims in a log of plaintext. It
// is false for a message that is none of it.
func claimOf(m *pipeline.Message, p *Plain, o Options) (int64, bool) {
	claimed, ok := o.Claim(m)
	if !ok || claimed.Source != p.Source || claimed.Partition != p.Number {
		return 0, false
	}
	return int64(claimed.Offset), true
}

// peekAt returns the first message at or behind an offset; false without one.
func peekAt(ctx context.Context, log Log, offset int64) (pipeline.Message, bool, error) {
	if _, end := log.Bounds(); offset >= end {
		return pipeline.Message{}, false, nil
	}
	m, err := log.Peek(ctx, offset)
	if errors.Is(err, io.EOF) {
		return m, false, nil
	}
	return m, err == nil, err
}
