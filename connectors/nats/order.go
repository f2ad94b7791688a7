package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/internal/retry"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Order. A stream is read in its order by one process at a time, and every lane
// begins at the first message that is not acknowledged. Three things together
// see to that:
//
//   - The lease (lease.go): one owner.
//   - The reset, before every lane: the server forgets which messages it has
//     delivered and begins behind the last acknowledged one. Without it the
//     server gives *new* messages to the next owner first, and those that the
//     last one had taken after AckWait. Servers before 2.14 cannot do it; there
//     AckWait is waited out, and what comes again is put into order
//     (redeliver.go).
//   - The check of every sequence and every delivery's number that arrives
//     (takesInOrder, followsLast): when a sequence does not rise, or a delivery
//     is missing, the lane is lost and begins again.

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

// prepare waits for the lease, and makes the consumer ready for a lane. Its
// error is that of ctx, or one that parks the stream.
func (s *Source) prepare(ctx context.Context) error {
	if s.lease != nil && s.lease.checkOwner() != nil {
		s.lease.drop()
		if err := s.lease.acquire(ctx); err != nil {
			return err
		}
		s.readLease()
		s.saveStart()
	}
	s.useCheckpoint()
	for first := true; ; first = false {
		started := time.Now()
		err := s.prepareConsumer(ctx)
		if denied := s.conn.explainStream(started, s.Stream, err); isDenied(denied) {
			err = fmt.Errorf("nats stream %s, consumer %s: %w", s.Stream, s.config.Name, denied)
		}
		if err == nil || ctx.Err() != nil || s.isFinal(err) {
			return err
		}
		if first {
			s.Log.Warn("nats consumer not ready, trying again",
				"stream", s.Stream, "consumer", s.config.Name, "error", err)
		}
		if err := retry.Sleep(ctx, lookAgain); err != nil {
			return err
		}
	}
}

// ErrStreamMadeAnew is the error of a stream that was deleted and made anew:
// its sequences name other messages than before.
var ErrStreamMadeAnew = errors.New("the stream was deleted and made anew since this process opened it")

// ErrLostTail is the error of a consumer that has acknowledged messages which
// the stream has lost, and that no reset can take back: it would pass over new
// messages until the stream is as long as it was.
var ErrLostTail = errors.New("the stream lost its tail, and its consumer would skip what has those sequences now")

// isFinal tells whether an error of prepareConsumer is for the operator.
func (s *Source) isFinal(err error) bool {
	return isDenied(err) || errors.Is(err, ErrStreamMadeAnew) || errors.Is(err, ErrLostTail) ||
		errors.Is(err, ErrConsumerDiffers) ||
		errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound)
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

// prepareConsumer finds the consumer, makes it anew if it was deleted, and has
// the server begin behind the last message that is acknowledged.
func (s *Source) prepareConsumer(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	stream, err := s.conn.js.Stream(asking, s.Stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return pipeline.Passing(fmt.Errorf("nats stream %s: %w", s.Stream, err))
	case err != nil:
		return fmt.Errorf("nats stream %s: %w", s.Stream, err)
	case !stream.CachedInfo().Created.Equal(s.created):
		return fmt.Errorf("nats stream %s: %w", s.Stream, ErrStreamMadeAnew)
	}
	consumer, made, err := s.findConsumer(asking, stream)
	if err != nil {
		return fmt.Errorf("nats stream %s, consumer %s: %w", s.Stream, s.config.Name, err)
	}
	info := consumer.CachedInfo()
	if max(info.AckFloor.Stream, info.Delivered.Stream) > stream.CachedInfo().State.LastSeq {
		// Messages may have come and been delivered since the stream was asked.
		if _, err := stream.Info(asking); err != nil {
			return fmt.Errorf("nats stream %s: %w", s.Stream, err)
		}
	}
	s.config, s.number, s.expected = info.Config, info.Delivered.Consumer, nil
	s.firstNew = max(s.firstNew, info.Delivered.Stream) // a reset takes that back
	s.notePause(info)
	s.bindStart(info.Created.UnixNano(), made)
	s.noteLostState(info.AckFloor.Stream)
	s.noteLostTail(stream.CachedInfo(), info)
	defer func() { s.tellLosses(stream.CachedInfo().State.FirstSeq) }()
	if s.Shared {
		return nil
	}
	if err := s.checkTail(stream.CachedInfo().State.LastSeq, info); err != nil {
		return err
	}
	switch {
	case s.conn.canReset():
		return s.goBack(asking, stream, info)
	case info.NumAckPending > 0:
		// Of the last owner, or of this process and lost with a connection.
		if err := s.orderRedelivered(ctx, stream); err != nil {
			return err
		}
	}
	s.noteFloor(info.AckFloor.Stream, stream.CachedInfo().State.LastSeq)
	return nil
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

// findConsumer finds the consumer. One that was deleted is made anew, behind
// the last message that is known to be durable; made says so.
func (s *Source) findConsumer(
	ctx context.Context, stream jetstream.Stream,
) (consumer jetstream.Consumer, made bool, err error) {
	consumer, err = stream.Consumer(ctx, s.config.Name)
	if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return consumer, false, err
	}
	if s.Shared {
		return nil, false, pipeline.Passing(err)
	}
	cfg := s.newConsumer()
	cfg.Name, cfg.Metadata = s.config.Name, s.config.Metadata
	if s.start.known {
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartSequencePolicy, nil
		cfg.OptStartSeq = max(s.start.next, 1)
	}
	s.Log.Warn("nats consumer was deleted, made anew",
		"stream", s.Stream, "consumer", cfg.Name, "begins", cfg.OptStartSeq)
	consumer, err = stream.CreateConsumer(ctx, cfg)
	return consumer, err == nil, err
}

// noteLostTail names a stream that is shorter than it was: a server that came
// back with an older disk, or whose tail was in memory alone.
func (s *Source) noteLostTail(stream *jetstream.StreamInfo, consumer *jetstream.ConsumerInfo) {
	last, had := stream.State.LastSeq, consumer.Delivered.Stream
	if s.start.known {
		had = max(had, s.start.next-1)
	}
	if had <= last {
		return
	}
	s.Log.Error("the stream lost its tail: messages that were read are not in it any more, "+
		"and their sequences are used again", "stream", s.Stream, "consumer", consumer.Name, "last", last, "was", had)
	if s.start.known && s.start.next > last+1 {
		s.start.next, s.start.last = last+1, -1
	}
}

// checkTail returns ErrLostTail if the consumer is behind the end of its stream
// and cannot be taken back: a reset goes back to the last acknowledged message,
// and further only where the consumer begins with the first one.
func (s *Source) checkTail(last uint64, info *jetstream.ConsumerInfo) error {
	had, resets := info.AckFloor.Stream, s.conn.canReset()
	if !resets {
		had = max(had, info.Delivered.Stream)
	}
	if had <= last || resets && s.config.DeliverPolicy == jetstream.DeliverAllPolicy {
		return nil
	}
	return fmt.Errorf("nats stream %s, consumer %s: %w", s.Stream, s.config.Name, ErrLostTail)
}

// goBack makes the server deliver everything that is not acknowledged, in the
// order of the stream.
func (s *Source) goBack(ctx context.Context, stream jetstream.Stream, info *jetstream.ConsumerInfo) (err error) {
	floor, last := info.AckFloor.Stream, stream.CachedInfo().State.LastSeq
	switch {
	case floor > last:
		// It would pass over new messages until the stream is as long as it
		// was.
		floor = last
		_, err = stream.ResetConsumerToSequence(ctx, s.config.Name, last+1)
	case info.NumAckPending > 0 || info.NumRedelivered > 0 || floor < info.Delivered.Stream:
		_, err = stream.ResetConsumer(ctx, s.config.Name)
	default:
		s.noteFloor(floor, last)
		return nil
	}
	if err != nil {
		return fmt.Errorf("nats stream %s, consumer %s: reset: %w", s.Stream, s.config.Name, err)
	}
	s.number = 0
	s.noteFloor(floor, last)
	return nil
}

// noteFloor notes where the server begins, unless a position from further on is
// known.
func (s *Source) noteFloor(floor, last uint64) {
	if !s.start.known || s.start.next <= floor && floor <= last {
		// The last owner did not come to say how far it was, or the server has
		// passed over messages that are gone.
		next := s.begun // messages may go before the first lane begins
		if s.start.known {
			next = s.start.next
		}
		s.noteHole(next, floor)
		s.start = startPosition{
			known: true, consumer: s.start.consumer, next: floor + 1, last: -1,
			stored: s.start.stored, state: s.start.state, note: s.start.note,
		}
	}
}

// CheckOwner tells whether this process may still write what the lane has read.
// Its error matches pipeline.ErrLost.
func (l *lane) CheckOwner() error {
	if l.source.lease == nil {
		return nil
	}
	return l.source.lease.checkOwner()
}

// lose ends the lane: it begins again behind the last message that is
// committed. l.mu is held.
func (l *lane) lose(format string, args ...any) {
	l.failReads(fmt.Errorf("nats stream %s, consumer %s: %w: %s",
		l.source.Stream, l.source.config.Name, pipeline.ErrLost, fmt.Sprintf(format, args...)))
}

// followsLast tells whether a delivery is the next one of the consumer. One
// that is missing was lost with a connection, and an acknowledgement of a later
// one would cover it, too. l.mu is held.
func (l *lane) followsLast(number uint64) bool {
	last := l.number
	l.number = number
	if number != last+1 {
		l.lose("delivery %d came behind delivery %d", number, last)
		return false
	}
	return true
}

// ackKnown acknowledges a message that is durable already, as soon as a Gate's
// state that knows it is stored. l.mu is held.
func (l *lane) ackKnown(d *delivery) {
	from := &l.source.start
	if len(from.state) == 0 || l.source.lease == nil || l.source.lease.isSaved(from.note) {
		_ = l.sendWord(d.msg, wordAck)
		return
	}
	if held := l.held[d.sequence]; held != nil {
		held.msg = d.msg
		return
	}
	l.held[d.sequence] = d
	l.markDone(d)
	l.changes++
	l.unsaved = append(l.unsaved, saving{from.note, []*delivery{d}})
}

// takesInOrder tells whether a message that arrives is the next one of the
// stream. Messages that are durable already are acknowledged and left out.
// l.mu is held.
func (l *lane) takesInOrder(d *delivery, deliveries uint64) bool {
	from := &l.source.start
	switch {
	case !l.comesAsExpected(d):
		l.lose("message %d came and not %d, which was delivered before", d.sequence, l.expected[0])
		return false
	case from.known && d.sequence < from.next && !d.time.After(from.stored):
		l.ackKnown(d)
		return false
	case l.ackAll && deliveries > 1:
		l.lose("message %d was delivered again, and the server ignores acknowledgements from before", d.sequence)
		return false
	case d.sequence > l.delivered:
		l.source.noteHole(max(l.delivered+1, from.next), d.sequence-1)
		return true
	}
	if held := l.held[d.sequence]; held != nil && !l.ackAll && held.time.Equal(d.time) {
		held.msg = d.msg
		if held.done {
			l.ackDelivery(held)
		}
		return false
	}
	l.lose("message %d came behind message %d", d.sequence, l.delivered)
	return false
}
