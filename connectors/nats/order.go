package nats

import (
	"fmt"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Order. A stream is read in its order by one process at a time, and every lane
// begins at the first message that is not acknowledged. Three things together
// see to that:
//
//   - The lease (lease.go): one owner.
//   - The reset, before every lane (prepare.go): the server forgets which
//     messages it has delivered and begins behind the last acknowledged one.
//     Without it the server gives *new* messages to the next owner first, and
//     those that the last one had taken after AckWait. Servers before 2.14
//     cannot do it; there AckWait is waited out, and what comes again is put
//     into order (redeliver.go).
//   - The check of every sequence and every delivery's number that arrives
//     (takesInOrder, followsLast): when a sequence does not rise, or a delivery
//     is missing, the lane is lost and begins again.

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
