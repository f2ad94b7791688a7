package keycheck

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Peeker looks at single messages of one place, in any order.
type Peeker interface {
	Place() string
	// Bounds are where the place begins and ends, as of when the Peeker was
	// made: offsets from first to below end.
	Bounds() (first, end int64)
	// Peek returns the first message at or behind offset. It returns io.EOF if
	// there is none before the end. The message is the caller's.
	Peek(ctx context.Context, offset int64) (pipeline.Message, error)
}

// maxSearches bounds how many changes of one place are searched for.
const maxSearches = 16

// Sample looks at n messages of a place, evenly spread over its offsets, first
// and last among them. Wherever readability changes between two of them it
// searches for the place of the change: the messages on both sides of it are
// next to each other. Around the first change it looks at more messages,
// nearest first, since that is where keys were in use side by side. It reads n
// + O(log) messages. It misses changes between samples that come in pairs.
func (c *Checker) Sample(ctx context.Context, p Peeker, n int) error {
	s := &sampling{checker: c, peeker: p, found: map[int64]verdict{}}
	s.first, s.end = p.Bounds()
	if err := s.takeSample(ctx, max(2, n)); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Sampled = true
	place := c.placeOf(p.Place())
	for _, offset := range s.listOffsets() {
		place.addMessage(offset, s.found[offset])
	}
	return nil
}

// sampling is all that is known of one place.
type sampling struct {
	checker    *Checker
	peeker     Peeker
	first, end int64
	found      map[int64]verdict // by offset
}

// listOffsets returns those of the messages that were looked at, in order.
func (s *sampling) listOffsets() []int64 {
	var all []int64
	for offset := range s.found {
		all = append(all, offset)
	}
	slices.Sort(all)
	return all
}

func (s *sampling) takeSample(ctx context.Context, n int) error {
	if s.end <= s.first {
		return nil
	}
	span := s.end - 1 - s.first
	for i := range int64(n) {
		// In two steps, so that nothing overflows.
		offset := s.first + span/int64(n-1)*i + span%int64(n-1)*i/int64(n-1)
		if _, _, err := s.checkAt(ctx, offset); err != nil {
			return err
		}
	}
	if err := s.findLast(ctx); err != nil {
		return err
	}
	changes := s.listChanges()
	for i, change := range changes[:min(len(changes), maxSearches)] {
		lo, hi, err := s.searchChange(ctx, change[0], change[1])
		if err == nil && i == 0 {
			err = s.checkAround(ctx, lo, hi)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkAt looks at the first message at or behind offset. ok is false if there
// is none.
func (s *sampling) checkAt(ctx context.Context, offset int64) (at int64, ok bool, err error) {
	m, err := s.peeker.Peek(ctx, offset)
	switch {
	case errors.Is(err, io.EOF):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	}
	at = m.Origin.Offset
	if _, known := s.found[at]; known {
		return at, true, nil
	}
	s.checker.mu.Lock()
	defer s.checker.mu.Unlock()
	is, err := s.checker.checkMessage(ctx, &m)
	if err != nil {
		return 0, false, err
	}
	s.found[at] = is
	return at, true, nil
}

// findLast looks for the last message: there may be none at the very last
// offsets.
func (s *sampling) findLast(ctx context.Context) error {
	lo, top := int64(-1), s.end // there is a message at lo, and none from top on
	probe := func(offset int64) error {
		at, ok, err := s.checkAt(ctx, offset)
		if ok {
			lo = at
		} else {
			top = offset
		}
		return err
	}
	for back := int64(1); lo < 0 && top > s.first; back *= 2 {
		if err := probe(max(s.first, s.end-back)); err != nil {
			return err
		}
	}
	for top-lo > 1 && lo >= 0 {
		if err := probe(lo + (top-lo)/2); err != nil {
			return err
		}
	}
	return nil
}

func (s *sampling) isReadable(offset int64) bool { return s.found[offset] == readable }

// listChanges returns pairs of neighbours, among those looked at, of which one
// is readable and one is not.
func (s *sampling) listChanges() (pairs [][2]int64) {
	all := s.listOffsets()
	for i := 1; i < len(all); i++ {
		if s.isReadable(all[i-1]) != s.isReadable(all[i]) {
			pairs = append(pairs, [2]int64{all[i-1], all[i]})
		}
	}
	return pairs
}

// searchChange finds two messages next to each other, from lo to hi, of which
// the first is as lo and the second is as hi.
func (s *sampling) searchChange(ctx context.Context, lo, hi int64) (before, behind int64, err error) {
	top := hi // there is no message from here to below hi
	for top-lo > 1 {
		middle := lo + (top-lo)/2
		at, ok, err := s.checkAt(ctx, middle)
		switch {
		case err != nil:
			return 0, 0, err
		case !ok: // deleted meanwhile
			top = middle
		case s.isReadable(at) == s.isReadable(hi):
			hi, top = at, middle
		default:
			lo = at
		}
	}
	return lo, hi, nil
}

// checkAround looks at messages before and behind a change, at distances that
// double.
func (s *sampling) checkAround(ctx context.Context, lo, hi int64) error {
	for distance := int64(1); lo-distance >= s.first || hi+distance < s.end; distance *= 2 {
		for _, offset := range []int64{lo - distance, hi + distance} {
			if offset < s.first || offset >= s.end {
				continue
			}
			if _, _, err := s.checkAt(ctx, offset); err != nil {
				return err
			}
		}
	}
	return nil
}
