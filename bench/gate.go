package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// gateLimit is the most that a Gate may cost a message that comes in order, in
// nanoseconds.
const gateLimit = 30

// gatePlaces are the numbers of places that messages come from in turns. The
// state of one Gate has room for 120.
var gatePlaces = []int{1, 100, 200}

// measureGate measures the cost of a Gate for a message in order, in a route
// with a Gate for each of so many partitions, and in a Gate to which so many
// partitions come together.
func measureGate(ctx context.Context, budget time.Duration) ([]Figure, error) {
	var figures []Figure
	for _, places := range gatePlaces {
		for _, together := range []bool{false, true} {
			if together && places == 1 {
				continue
			}
			f, err := measureGates(ctx, places, together, budget)
			if err != nil {
				return nil, err
			}
			figures = append(figures, f)
		}
	}
	return figures, nil
}

// gates are the Gates of a route, and the next message of each of its places.
type gates struct {
	gates    []*transform.Gate // by place
	stats    transform.GateStats
	messages []pipeline.Message
	next     int // place
	offset   uint64
}

func measureGates(ctx context.Context, places int, together bool, budget time.Duration) (Figure, error) {
	g, err := newGates(ctx, places, together)
	if err != nil {
		return Figure{}, err
	}
	t, err := interleaveTurns(budget/5, g.passMessages, g.admitMessages)
	if err != nil {
		return Figure{}, err
	}
	cost := middleOf(t.subtractTimes(1, 0))
	name := fmt.Sprintf("%d places, each with a Gate", places)
	if together {
		name = fmt.Sprintf("%d places with one Gate", places)
	}
	f := Figure{
		Part: "gate", Name: name, Value: cost.median, Unit: "ns", Spread: cost.makeSpread(), Limit: newLimit(gateLimit),
		Note: fmt.Sprintf("%.1f-%.1f a message; least load %.1f", cost.low, cost.high, t.findBest(1)-t.findBest(0)),
	}
	if g.stats.Untracked.Load() > 0 {
		f.Note += "; the state has no room for all places"
	}
	if n := g.stats.Duplicates.Load() + g.stats.Gaps.Load() + g.stats.Reordered.Load(); n > 0 {
		return f, fmt.Errorf("%s: %d messages were not in order", name, n)
	}
	return f, nil
}

// newGates makes Gates, and for each place a message that was sealed and
// opened.
func newGates(ctx context.Context, places int, together bool) (*gates, error) {
	r, err := newRoute(ctx, "ref")
	if err != nil {
		return nil, err
	}
	defer r.stopRenewal()
	seal, err := transform.NewEncrypt(transform.EncryptOptions{Sealer: r.sealer, Place: placeOf})
	if err != nil {
		return nil, err
	}
	open, err := transform.NewDecrypt(transform.DecryptOptions{Opener: r.opener})
	if err != nil {
		return nil, err
	}
	g := &gates{offset: 1}
	for i := range places {
		m := pipeline.Message{
			Value: []byte{1}, Origin: pipeline.Origin{Place: strconv.Itoa(i), Offset: 1, Previous: 0},
		}
		if m.Value, err = seal.Append(ctx, nil, &m); err != nil {
			return nil, err
		}
		if _, err := open.Append(ctx, nil, &m); err != nil {
			return nil, err
		}
		g.messages = append(g.messages, m)
		if together && i > 0 {
			g.gates = append(g.gates, g.gates[0])
			continue
		}
		gate, err := transform.NewGate(nil, transform.GateOptions{Stats: &g.stats, Partition: -1})
		if err != nil {
			return nil, err
		}
		g.gates = append(g.gates, gate)
	}
	return g, nil
}

// placeOf is the place of a partition's number.
func placeOf(partition string) transform.Place {
	n, _ := strconv.ParseUint(partition, 10, 16)
	return transform.Place{Source: position.Source, Partition: uint16(n), Ordered: true, SamePartition: true}
}

// nextMessage returns the next message of the next place. The places take
// turns, which is the worst that they can do.
func (g *gates) nextMessage() *pipeline.Message {
	m := &g.messages[g.next]
	binary.BigEndian.PutUint64(m.Mark[16:], g.offset)
	if g.next++; g.next == len(g.messages) {
		g.next, g.offset = 0, g.offset+1
	}
	return m
}

// passMessages is the baseline: messages that no Gate sees. Their offsets come
// again.
func (g *gates) passMessages(n int) error {
	next, offset := g.next, g.offset
	for range n {
		g.nextMessage()
	}
	g.next, g.offset = next, offset
	return nil
}

func (g *gates) admitMessages(n int) error {
	for range n {
		at := g.next
		if err := g.gates[at].Admit(g.nextMessage()); err != nil {
			return err
		}
	}
	return nil
}
