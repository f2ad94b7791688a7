package nats

import (
	"time"
)

// startPosition is where a lane begins.
type startPosition struct {
	known    bool
	consumer int64     // when the consumer that it is of was made; 0 if not known
	next     uint64    // messages before it are durable
	last     int64     // the message before; -1 if it is not known
	stored   time.Time // when that was stored
	state    []byte    // the Gate's
	note     uint64    // of it with the lease: it is stored when isSaved says so
}

// readLease takes over how far the last owner came.
func (s *Source) readLease() {
	p := s.lease.position()
	if p == nil || p.Created != s.created.UnixNano() || p.Next < 0 ||
		s.start.known && p.Consumer == s.start.consumer && uint64(p.Next) <= s.start.next {
		return
	}
	s.start = startPosition{
		known: true, consumer: p.Consumer, next: uint64(p.Next), last: p.Last,
		stored: time.Unix(0, p.Time), state: p.State,
	}
}

// saveStart stores with a lease that was lost and is held again how far this
// process has come: the entry has what was stored before.
func (s *Source) saveStart() {
	if s.start.known && len(s.start.state) > 0 {
		s.storeStart()
	}
}

// storeStart has the lease store how far this process has come.
func (s *Source) storeStart() {
	from := &s.start
	p := savedPosition{
		Created: s.created.UnixNano(), Consumer: from.consumer, Next: int64(from.next), Last: from.last,
		State: from.state,
	}
	if !from.stored.IsZero() {
		p.Time = from.stored.UnixNano()
	}
	from.note = s.lease.savePosition(p, true)
}

// bindStart forgets a position that was reached with another consumer of the
// same name, unless this process made the one that is there, behind that
// position. People remove a consumer and make it again to have messages read
// once more. The Gate's state is of messages and stays.
func (s *Source) bindStart(consumer int64, made bool) {
	if s.start.known && s.start.consumer != 0 && s.start.consumer != consumer && !made {
		s.Log.Warn("the nats consumer was made anew by somebody else: it is read from where it begins",
			"stream", s.Stream, "consumer", s.config.Name, "was", s.start.next)
		s.start = startPosition{state: s.start.state, note: s.start.note}
	}
	s.start.consumer = consumer
}

// noteFloor notes where the server begins, unless a position from further on is
// known.
func (s *Source) noteFloor(floor, last uint64) {
	if !s.start.known || s.start.next <= floor && floor <= last {
		// The last owner did not come to say how far it was, or the server has
		// passed over messages that are gone.
		if s.start.known {
			s.noteHole(s.start.next, floor)
		}
		s.start = startPosition{
			known: true, consumer: s.start.consumer, next: floor + 1, last: -1,
			stored: s.start.stored, state: s.start.state, note: s.start.note,
		}
	}
}
