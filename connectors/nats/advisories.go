package nats

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/internal/retry"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// givenUps are the messages that the server gave up and that are not committed
// yet, by sequence.
type givenUps struct {
	advisories *natsgo.Subscription // nil before the first lane

	mu  sync.Mutex
	all map[uint64]*givenUpMessage
}

type givenUpMessage struct {
	deliveries uint64
	held       *delivery // as it was handed to a lane; nil before
}

// maxGivenUp bounds their number. Beyond it, advisories are not heard.
const maxGivenUp = 1 << 16

// hearGivenUp has the messages noted of a shared consumer that the server gives
// up, from before the first lane until stopHearing.
func (s *Source) hearGivenUp(ctx context.Context) error {
	if s.givenUp.advisories != nil {
		return nil
	}
	started := time.Now()
	subject := "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES." + s.Stream + "." + s.config.Name
	sub, err := s.conn.nc.QueueSubscribe(subject, "streamcrypt", func(msg *natsgo.Msg) {
		s.noteAdvisory(msg.Data)
	})
	if err == nil {
		asking, cancel := context.WithTimeout(ctx, endTimeout)
		err = s.conn.nc.FlushWithContext(asking)
		cancel()
	}
	if denied := s.conn.deniedSince(started, subject); denied != nil {
		err = denied
	}
	if err != nil {
		if sub != nil {
			_ = sub.Unsubscribe()
		}
		return fmt.Errorf("nats stream %s, consumer %s: max_deliver is set, and its advisories cannot be heard: %w",
			s.Stream, s.config.Name, pipeline.Passing(err))
	}
	s.givenUp.advisories = sub
	s.tellGivenUp(ctx)
	return nil
}

// stopHearing undoes hearGivenUp.
func (s *Source) stopHearing() {
	if s.givenUp.advisories != nil {
		_ = s.givenUp.advisories.Unsubscribe()
	}
}

// watchGivenUp hands the noted messages out through the lane, until stop is
// called.
func (l *lane) watchGivenUp(ctx context.Context) (stop func()) {
	if !l.source.Shared || !l.source.hasLimit() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var loop sync.WaitGroup
	loop.Go(func() {
		look := time.NewTicker(lookEvery)
		defer look.Stop()
		for {
			l.handOutGivenUp(ctx)
			select {
			case <-look.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		loop.Wait()
	}
}

// noteAdvisory notes the message that an advisory is about.
func (s *Source) noteAdvisory(text []byte) {
	var is struct {
		Sequence   uint64 `json:"stream_seq"`
		Deliveries uint64 `json:"deliveries"`
	}
	if err := json.Unmarshal(text, &is); err != nil || is.Sequence == 0 {
		s.Log.Warn("an advisory about a message that was given up cannot be read", "stream", s.Stream)
		return
	}
	g := &s.givenUp
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all == nil {
		g.all = map[uint64]*givenUpMessage{}
	}
	if g.all[is.Sequence] == nil && len(g.all) < maxGivenUp {
		g.all[is.Sequence] = &givenUpMessage{deliveries: cmp.Or(is.Deliveries, uint64(s.config.MaxDeliver))}
	}
}

// handOutGivenUp makes noted messages ready to be read, as long as few bytes of
// others are at work. A message that this lane has already is left to it.
func (l *lane) handOutGivenUp(ctx context.Context) {
	wanted, room := l.wantedGivenUp()
	for _, sequence := range wanted {
		if room <= 0 {
			return
		}
		asking, cancel := context.WithTimeout(ctx, endTimeout)
		is, err := l.source.conn.requestStored(asking, l.source.Stream, map[string]any{"seq": sequence})
		cancel()
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			l.source.Log.Error("a message that the server gave up is not in the stream any more",
				"stream", l.source.Stream, "sequence", sequence)
			l.source.givenUp.forget(sequence)
		case err != nil && ctx.Err() == nil:
			l.source.Log.Warn("a message that the server gave up cannot be read, trying again",
				"stream", l.source.Stream, "sequence", sequence, "error", err)
			_ = retry.Sleep(ctx, lookAgain)
			return
		case err == nil:
			room -= l.holdGivenUp(sequence, is.msg, is.time)
		}
	}
}

// wantedGivenUp returns the sequences of noted messages that no lane has, and
// for how many bytes of them there is room. It forgets those that are
// committed.
func (l *lane) wantedGivenUp() (wanted []uint64, room int) {
	g := &l.source.givenUp
	room = l.source.ReadAhead
	l.mu.Lock()
	defer l.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	for sequence, m := range g.all {
		held := l.held[sequence]
		switch {
		case m.held != nil && m.held.done, held != nil && held.givenUp == 0:
			// Committed; or this lane is at work on it, and says so.
			delete(g.all, sequence)
		case held == nil && !l.closed && !l.halted:
			wanted = append(wanted, sequence)
		case held != nil:
			room -= held.size
		}
	}
	return wanted, room
}

func (g *givenUps) forget(sequence uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.all, sequence)
}

// holdGivenUp makes a message ready to be read that was given up. It returns
// the size; 0 if the message is not wanted any more.
func (l *lane) holdGivenUp(sequence uint64, msg *natsgo.Msg, stored time.Time) (size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := &l.source.givenUp
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.all[sequence]
	if m == nil || l.held[sequence] != nil || l.closed || l.halted || l.err != nil {
		return 0
	}
	// An acknowledgement under this subject has the server forget how often it
	// was delivered.
	msg.Reply = fmt.Sprintf("%s%s.%s.%d.%d.0.%d.0",
		ackPrefix, l.source.Stream, l.source.config.Name, m.deliveries, sequence, stored.UnixNano())
	d := &delivery{msg: msg, sequence: sequence, time: stored, size: sizeOf(msg), givenUp: m.deliveries}
	m.held = d
	l.held[sequence] = d
	l.changes++
	l.ready = append(l.ready, d)
	l.bytes += d.size
	signalOnce(l.arrived)
	return d.size
}

// areNoted tells whether messages were given up that are not committed yet.
func (g *givenUps) areNoted() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.all) > 0
}

// countOwn returns how many of the messages that the server waits for are with
// this lane. l.mu is held.
func (l *lane) countOwn() int {
	n := len(l.held)
	if l.source.hasLimit() {
		for _, d := range l.held {
			if d.givenUp > 0 {
				n--
			}
		}
	}
	return n
}
