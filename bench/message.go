package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/envelope"
)

// payloadSizes are the sizes of payloads, in bytes.
var payloadSizes = []int{0, 100, 1 << 10, 64 << 10, 1 << 20}

// ratioLimits are the targets by profile and payload size.
var ratioLimits = map[string]map[int]float64{
	"ref":  {1 << 10: 1.30, 1 << 20: 1.05},
	"self": {1 << 10: 1.40, 1 << 20: 1.05},
}

// overheadLimits are the most bytes that an envelope of 1 KiB adds.
var overheadLimits = map[string]float64{"ref": 94, "self": 168}

// measureMessages compares sealing and opening of single messages with bare
// AES-256-GCM.
func measureMessages(ctx context.Context, budget time.Duration) ([]Figure, error) {
	var ratios, allocations, overheads []Figure
	for _, profile := range profiles {
		r, err := newRoute(ctx, profile)
		if err != nil {
			return nil, err
		}
		defer r.stopRenewal()
		most := map[string]float64{}
		for _, size := range payloadSizes {
			c, err := newContests(ctx, r, size)
			if err != nil {
				return nil, err
			}
			for i, name := range directions {
				t, err := c.runContests(i, budget)
				if err != nil {
					return nil, err
				}
				ratios = append(ratios, ratioFigure(t, profile, name, size))
				allocs, err := allocsPer(c[0].listSides()[i].ours, 20+(1<<20)/(size+512))
				if err != nil {
					return nil, err
				}
				most[name] = max(most[name], allocs)
			}
			if size == 1<<10 {
				overheads = append(overheads, Figure{
					Part: "messages", Name: profile + " overhead 1 KiB",
					Value: float64(len(c[0].sealed) - size), Unit: "B", Limit: newLimit(overheadLimits[profile]),
				})
			}
		}
		for _, name := range directions {
			allocations = append(allocations, Figure{
				Part: "messages", Name: fmt.Sprintf("%s %s allocations", profile, name),
				Value: most[name], Unit: "allocs", Limit: newLimit(0), Note: "a message, the worst of all sizes",
			})
		}
	}
	return append(append(ratios, allocations...), overheads...), nil
}

// directions name the sides of a contest.
var directions = [2]string{"seal", "open"}

// placements is how many contests a comparison consists of, each with memory
// and keys of its own. The pages of a buffer can make one side several per cent
// slower in one process, round after round, and not in the next.
const placements = 8

// contests are the same contest in several places.
type contests [placements]*contest

func newContests(ctx context.Context, r *route, size int, bound ...envelope.Header) (c contests, err error) {
	for i := range c {
		if c[i], err = newContest(ctx, r, size, bound); err != nil {
			return c, err
		}
	}
	return c, nil
}

// runContests measures one direction in all places.
func (c *contests) runContests(direction int, budget time.Duration) (timings, error) {
	all := make(timings, 3)
	for _, contest := range c {
		s := contest.listSides()[direction]
		t, err := interleaveTurns(budget/placements, s.bare, s.ours, s.bareAAD)
		if err != nil {
			return nil, err
		}
		for i := range all {
			all[i] = append(all[i], t[i]...)
		}
	}
	return all, nil
}

// contest is one payload and the two sides that seal and open it: an envelope,
// and a kept AEAD with a counter nonce. Both read the same payload and write to
// the same memory.
type contest struct {
	ctx     context.Context //nolint:containedctx // a contest lives as long as its measurement
	sealer  *envelope.SealWorker
	opener  *envelope.OpenWorker
	binding envelope.Binding
	bare    cipher.AEAD

	payload []byte
	dst     []byte
	aad     []byte // as long as the envelope's
	nonce   [12]byte
	counter uint64

	sealed     []byte // by the sealer
	bareSealed []byte // without aad
	aadSealed  []byte // with aad
	bareNonce  [12]byte
}

func newContest(ctx context.Context, r *route, size int, bound []envelope.Header) (*contest, error) {
	key, payload := make([]byte, 32), make([]byte, size)
	rand.Read(key)
	rand.Read(payload)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	bare, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	c := &contest{
		ctx: ctx, sealer: r.sealer.NewWorker(), opener: r.opener.NewWorker(), bare: bare, payload: payload,
		binding: envelope.Binding{Key: []byte(recordKey), Headers: bound},
	}
	c.dst = make([]byte, 0, c.sealer.MaxSize(size))
	return c, c.prepareInputs()
}

// prepareInputs seals the payload for opening, and makes associated data of the
// envelope's size.
func (c *contest) prepareInputs() error {
	var err error
	if c.sealed, err = c.sealer.Seal(c.ctx, nil, c.payload, &c.binding, &position); err != nil {
		return err
	}
	var e cms.Envelope
	if err := cms.Parse(c.sealed, &e); err != nil {
		return err
	}
	aad := cms.NewAAD([]byte(routeName))
	aad.SetHeader(e.ByReference, e.Protected)
	c.aad = aad.Bytes(&cms.Binding{Key: c.binding.Key, Headers: c.binding.Headers}, 0, true)
	c.bareSealed = c.bare.Seal(nil, c.bareNonce[:], c.payload, nil)
	c.aadSealed = c.bare.Seal(nil, c.bareNonce[:], c.payload, c.aad)
	return nil
}

// position is the position of a message from an ordered place.
var position = envelope.Position{Source: [5]byte{1, 2, 3, 4, 5}, Partition: 3, Term: 7, Offset: 8812, Distance: 1}

// side is one direction of a contest.
type side struct {
	bare, bareAAD, ours operation
}

func (c *contest) listSides() [2]side {
	return [2]side{
		{
			bare:    func(n int) error { return c.sealBare(n, nil) },
			bareAAD: func(n int) error { return c.sealBare(n, c.aad) },
			ours:    c.sealEnvelopes,
		},
		{
			bare:    func(n int) error { return c.openBare(n, c.bareSealed, nil) },
			bareAAD: func(n int) error { return c.openBare(n, c.aadSealed, c.aad) },
			ours:    c.openEnvelopes,
		},
	}
}

func (c *contest) sealEnvelopes(n int) error {
	for range n {
		if _, err := c.sealer.Seal(c.ctx, c.dst, c.payload, &c.binding, &position); err != nil {
			return err
		}
	}
	return nil
}

func (c *contest) openEnvelopes(n int) error {
	for range n {
		out, _, err := c.opener.Open(c.ctx, c.dst, c.sealed, &c.binding)
		if err != nil {
			return err
		}
		if len(out) != len(c.payload) {
			return errors.New("opened another payload")
		}
	}
	return nil
}

func (c *contest) sealBare(n int, aad []byte) error {
	for range n {
		c.counter++
		binary.BigEndian.PutUint64(c.nonce[4:], c.counter)
		c.bare.Seal(c.dst, c.nonce[:], c.payload, aad)
	}
	return nil
}

func (c *contest) openBare(n int, sealed, aad []byte) error {
	for range n {
		if _, err := c.bare.Open(c.dst, c.bareNonce[:], sealed, aad); err != nil {
			return err
		}
	}
	return nil
}

// ratioFigure makes the figure of one direction.
func ratioFigure(t timings, profile, direction string, size int) Figure {
	ratio, withAAD := t.compareTimes(1, 0), t.compareTimes(1, 2)
	f := Figure{
		Part: "messages", Name: fmt.Sprintf("%s %s %s", profile, direction, byteSize(size)),
		Value: ratio.median, Unit: "x", Spread: ratio.makeSpread(),
		Beside: map[string]float64{
			"to bare with aad": withAAD.median, "rounds": float64(len(t[0])),
			"best ns": t.findBest(1), "best bare ns": t.findBest(0), "best bare with aad ns": t.findBest(2),
		},
		Note: fmt.Sprintf("%.3f-%.3f; %.0f ns, bare %.0f; %.3fx of bare with equal aad", ratio.low, ratio.high,
			t.findBest(1), t.findBest(0), withAAD.median),
	}
	if l, ok := ratioLimits[profile][size]; ok {
		f.Limit = newLimit(l)
	}
	if size == 1<<20 {
		f.Beside["ms per MiB"] = t.findBest(1) / 1e6
		f.Note += fmt.Sprintf("; %.3f ms per MiB", t.findBest(1)/1e6)
	}
	return f
}

// allocsPer returns how many allocations one execution of op makes. The best of
// three tries counts, because allocations of the rest of the process count too.
func allocsPer(op operation, n int) (float64, error) {
	if err := op(n); err != nil {
		return 0, err
	}
	best := ^uint64(0)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := op(n)
		runtime.ReadMemStats(&after)
		if err != nil {
			return 0, err
		}
		best = min(best, after.Mallocs-before.Mallocs)
	}
	return float64(best) / float64(n), nil
}

func byteSize(n int) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}
