package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// losses are the messages of the source that its stream deleted before they
// were read, because of its limits or by a purge.
//
// A consumer passes over deleted messages and says nothing. So the sequences
// that did not come are noted as holes, and those that lie in front of the
// stream's first message count once. A hole further on is a message that
// somebody has deleted by itself, which nobody expects to come.
type losses struct {
	mu      sync.Mutex
	seen    uint64 // up to here holes have been noted
	holes   []hole
	deleted int64
	kept    uint64 // the first sequence that was left when some were deleted
}

// hole is a number of sequences, the highest of which is to.
type hole struct {
	to uint64
	n  int64
}

// maxHoles bounds the memory of losses. Beyond, neighbours count together, when
// the last sequence of both lies in front of the stream.
const maxHoles = 1000

// noteHole notes that the sequences from one up to another did not come. Each
// is noted once.
func (l *losses) noteHole(from, to uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from = max(from, l.seen+1)
	if from > to {
		return
	}
	l.seen = to
	if len(l.holes) == maxHoles {
		l.holes[1].n += l.holes[0].n
		l.holes = append(l.holes[:0], l.holes[1:]...)
	}
	l.holes = append(l.holes, hole{to: to, n: int64(to - from + 1)})
}

// settle counts the holes in front of a stream that begins with first, and
// returns how many sequences are new among them.
func (l *losses) settle(first uint64) (found int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := l.holes[:0]
	for _, h := range l.holes {
		if h.to < first {
			found += h.n
			continue
		}
		// The front part of a hole may be gone for good, the rest deleted by
		// itself.
		if begin := h.to - uint64(h.n) + 1; begin < first {
			gone := int64(first - begin)
			found, h.n = found+gone, h.n-gone
		}
		rest = append(rest, h)
	}
	l.holes = rest
	l.deleted += found
	if found > 0 {
		l.kept = max(l.kept, first)
	}
	return found
}

// areOpen tells whether there are holes that may count later.
func (l *losses) areOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.holes) > 0
}

func (l *losses) count() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deleted
}

// countsLosses tells whether a sequence that does not come is a message that
// somebody will miss. Streams that keep last values delete older ones as they
// should, and those that keep messages until they are consumed may have
// consumers beside this one; behind a filter, sequences are those of other
// subjects.
func (s *Source) countsLosses() bool {
	return !s.Shared && len(s.config.FilterSubjects) == 0 && s.config.FilterSubject == "" &&
		!keepsLastValues(&s.streamConfig) && s.streamConfig.Retention == jetstream.LimitsPolicy
}

// noteHole is losses.noteHole, where sequences that do not come count: up to
// the end of the run.
func (s *Source) noteHole(from, to uint64) {
	if s.UntilEnd {
		to = min(to, s.last)
	}
	if s.countsLosses() {
		s.losses.noteHole(from, to)
	}
}

// settleLosses asks where the stream begins by now, and counts the messages
// that were deleted.
func (s *Source) settleLosses(ctx context.Context) error {
	if !s.countsLosses() {
		return nil
	}
	stream, err := s.conn.js.Stream(ctx, s.Stream)
	if err != nil {
		return err
	}
	s.tellLosses(stream.CachedInfo().State.FirstSeq)
	return nil
}

func (s *Source) tellLosses(first uint64) {
	if n := s.losses.settle(first); n > 0 {
		s.Log.Warn("messages were deleted before they were read: the stream's limits, or a purge",
			"stream", s.Stream, "up_to", n, "stream_begins", first)
	}
}

// Losses tells how many messages were deleted before they were read, up to so
// many. Several goroutines may call it.
func (s *Source) Losses() (deleted, cut map[string]int64) {
	if n := s.losses.count(); n > 0 {
		deleted = map[string]int64{s.Stream: n}
	}
	return deleted, nil
}

// FirstKept returns the sequence below which messages of the stream were
// deleted before they were read, or 0. Several goroutines may call it.
func (s *Source) FirstKept(string) int64 {
	s.losses.mu.Lock()
	defer s.losses.mu.Unlock()
	return int64(s.losses.kept)
}

// DeletedError says that a run with an end is not complete: messages were
// deleted before they were read. Everything else was carried.
type DeletedError struct {
	Stream  string
	Deleted int64 // up to so many: sequences are counted
}

// Error implements error.
func (e *DeletedError) Error() string {
	return fmt.Sprintf("nats stream %s: up to %d messages were deleted before they were read", e.Stream, e.Deleted)
}

// resultOfRun returns a *DeletedError if a run with an end is not complete. The
// next run has lost nothing: it begins behind this one.
func (s *Source) resultOfRun(ctx context.Context) error {
	n := s.losses.count()
	if n == 0 || !s.UntilEnd || s.Compares {
		return s.checkGivenUp()
	}
	err := s.passDeleted(ctx)
	if s.lease != nil {
		if s.start.next <= s.last {
			s.start.next, s.start.last = s.last+1, -1
		}
		s.storeStart()
	}
	return errors.Join(&DeletedError{Stream: s.Stream, Deleted: n}, err)
}

// passDeleted moves the checkpoint behind deleted messages at the end of the
// run, unless something is left in front of that, such as a message that is
// parked.
func (s *Source) passDeleted(ctx context.Context) error {
	if s.checkpoint == nil {
		return nil
	}
	p, _ := s.checkpoint.LoadPosition(s.Stream)
	from := nextAfter(p)
	if from > s.last {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	if nothing, err := s.holdsNothing(ctx, max(from, 1)); err != nil || !nothing {
		return nil // the next run names them again
	}
	return s.checkpoint.SavePositions([]pipeline.Position{
		{Place: s.Stream, Next: int64(s.last) + 1, Last: -1, State: p.State},
	})
}
