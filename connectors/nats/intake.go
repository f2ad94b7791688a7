package nats

import (
	"time"

	natsgo "github.com/nats-io/nats.go"
)

// holdDelivery notes a message for Read, unless it is known already or comes
// too late. l.mu is held.
func (l *lane) holdDelivery(msg *natsgo.Msg, is tokens) {
	d := &delivery{msg: msg, sequence: is.sequence, time: is.stored, size: sizeOf(msg)}
	if l.source.Shared {
		if !l.takesAny(d) {
			return
		}
	} else if l.err != nil || !l.followsLast(is.number) || !l.takesInOrder(d, is.deliveries) {
		return
	}
	if is.sequence >= l.delivered {
		l.delivered, l.pending = is.sequence, is.pending
	}
	l.held[d.sequence] = d
	l.changes++
	if l.closed {
		return // close gives it back, in its turn
	}
	if l.source.UntilEnd && d.sequence > l.source.last {
		l.keepSpare(d)
		return
	}
	if l.source.Sealed {
		d.notePart()
	}
	l.ready = append(l.ready, d)
	l.bytes += d.size
	signalOnce(l.arrived)
}

// takesAny tells whether a message of a shared consumer is taken. l.mu is held.
func (l *lane) takesAny(d *delivery) bool {
	if known := l.held[d.sequence]; known != nil {
		known.msg = d.msg
		if known.done {
			l.ackDelivery(known)
		}
		return false
	}
	if l.closed || l.halted {
		_ = l.sendWord(d.msg, wordNak) // without it the server delivers after AckWait
		return false
	}
	return true
}

// keepSpare keeps a message that comes after the end of a bounded run.
// Everything up to the end has been delivered once by then, and further reading
// would empty the stream for nothing, so the session ends. Redeliveries are
// asked for after a while, and the spares are given back before; of a consumer
// that is read in order there are none. l.mu is held.
func (l *lane) keepSpare(d *delivery) {
	l.spares = append(l.spares, d)
	l.retryAt = time.Now().Add(sparePause)
	l.pastEnd = !l.source.Shared
	l.endSession()
	signalOnce(l.arrived)
}

// giveBackSpares gives the spares back to the other readers. l.mu is held.
func (l *lane) giveBackSpares() {
	for _, d := range l.spares {
		l.giveBack(d)
	}
	l.spares = nil
}
