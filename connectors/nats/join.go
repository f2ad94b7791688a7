package nats

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Joining. The parts of a message arrive as messages of their own, one behind
// the other, and Read waits until it has all of them. The joined message has
// the sequence of its last part; all parts are acknowledged together, after it
// is durable.
//
// Memory is bounded by the size of a batch (the limit of Read): beyond it the
// payloads are dropped as they come, and the message is too large.
//
// Parts are stored together or not at all, so a part that is missing was
// deleted, and parts out of order were never one message. Where nothing comes
// behind a part, the stream is asked after partWait (missing.go).

// joining is how far the parts at the front of ready have come.
type joining struct {
	limit   int    // bytes of a joined message, at most
	bytes   int    // of the parts that wait for others; 0 if none do
	id      string // of these parts
	count   int    // how many there are
	wait    time.Duration
	since   time.Time // when the last of them had come, or the stream was asked
	last    *delivery // the last of them
	missing bool      // the stream does not hold the next one
}

// notePart reads the header of a part, if d has one.
func (d *delivery) notePart() {
	if values, ok := d.msg.Header[partHeader]; ok {
		d.isPart = true
		if len(values) == 1 {
			d.part, _ = parsePart(values[0]) // else it is number 0
		}
	}
}

// measureMessage returns how many of the messages in ready, which has some, are
// parts of the first one, and why they cannot be joined. It returns 0 if others
// are to come: nothing behind is read before. l.mu is held.
func (l *lane) measureMessage(ready []*delivery) (n int, fault error) {
	l.joining.bytes = 0
	begin := ready[0]
	if begin.givenUp > 0 {
		return 1, rejectGivenUp(begin.givenUp)
	}
	if !begin.isPart {
		return 1, nil
	}
	if begin.part.part != 1 {
		return countParts(ready), rejectParts(pipeline.ReasonMalformed, "a part without those before it")
	}
	size := begin.size
	for n = 1; n < begin.part.parts; n++ {
		if n == len(ready) {
			return l.awaitPart(ready, size)
		}
		d := ready[n]
		switch {
		case !d.isPart || d.part.id != begin.part.id:
			return n, rejectParts(pipeline.ReasonTruncated, "%d of %d parts", n, begin.part.parts)
		case d.part.part != n+1, d.part.parts != begin.part.parts, d.msg.Subject != begin.msg.Subject,
			hasMore(d.msg.Header):
			return countParts(ready), rejectParts(pipeline.ReasonMalformed, "part %d of %d does not fit the others",
				n+1, begin.part.parts)
		}
		size += d.size
	}
	if size > l.joining.limit || begin.oversize {
		return n, rejectParts(pipeline.ReasonTooLarge, "%d parts of more than %d bytes together", n, l.joining.limit)
	}
	return n, nil
}

// awaitPart decides about parts of size bytes, behind which nothing has come
// yet.
func (l *lane) awaitPart(parts []*delivery, size int) (int, error) {
	j, n, is := &l.joining, len(parts), parts[0].part
	if n != j.count || is.id != j.id {
		j.id, j.count, j.since, j.last, j.missing = is.id, n, time.Now(), parts[n-1], false
	}
	if j.missing {
		return n, rejectParts(pipeline.ReasonTruncated, "%d of %d parts", n, is.parts)
	}
	if size > j.limit {
		l.dropPayloads(parts)
		size = sizeOfAll(parts)
	}
	j.bytes = size
	if l.session != nil {
		l.session.askForMore()
	}
	return 0, nil
}

// dropPayloads drops the payloads of parts of a message that is too large.
func (l *lane) dropPayloads(parts []*delivery) {
	parts[0].oversize = true
	for _, d := range parts {
		if len(d.msg.Data) == 0 {
			continue
		}
		// The client's message stays as it is: it may be in use elsewhere.
		d.msg = &natsgo.Msg{Subject: d.msg.Subject, Reply: d.msg.Reply, Header: d.msg.Header}
		l.bytes -= d.size
		d.size = sizeOf(d.msg)
		l.bytes += d.size
	}
}

// countParts returns how many of the messages in ready are parts of the same
// message as the first of them, in any order.
func countParts(ready []*delivery) int {
	n := 1
	id := ready[0].part.id
	for id != "" && n < len(ready) && n < maxParts && ready[n].isPart && ready[n].part.id == id {
		n++
	}
	return n
}

func sizeOfAll(msgs []*delivery) int {
	size := 0
	for _, d := range msgs {
		size += d.size
	}
	return size
}

func rejectParts(reason pipeline.Reason, format string, args ...any) error {
	return &pipeline.Reject{Reason: reason, Err: fmt.Errorf(string(reason)+": "+format, args...)}
}

// hasMore tells whether a part has headers that only the first one may have.
func hasMore(headers natsgo.Header) bool {
	for name := range headers {
		if name != partHeader && !strings.HasPrefix(name, "Nats-") {
			return true
		}
	}
	return false
}

// joinParts makes one delivery of the parts of a message, which is not empty.
// The last one stands for it.
func joinParts(parts []*delivery) *delivery {
	if len(parts) == 1 {
		return parts[0]
	}
	last := parts[len(parts)-1]
	last.before = append(last.before[:0:0], parts[:len(parts)-1]...)
	return last
}

// addRead appends the message that d stands for, or the fault that it has.
func (b *batch) addRead(place string, d *delivery, fault error) {
	switch {
	case d.givenUp > 0: // its dead letter has all of it
		b.addDelivery(place, d)
		b.Messages[len(b.Messages)-1].Fault = fault
	case fault != nil:
		b.addFault(place, d, fault)
	case len(d.before) > 0:
		b.addJoined(place, d)
	default:
		b.addDelivery(place, d)
	}
}

// addJoined appends the message that parts make, in place.
func (b *batch) addJoined(place string, d *delivery) {
	parts := unjoinAll([]*delivery{d})
	size := 0
	for _, p := range parts {
		size += len(p.msg.Data)
		b.Size += p.size
	}
	value := make([]byte, 0, size)
	for _, p := range parts {
		value = append(value, p.msg.Data...)
	}
	headers := maps.Clone(parts[0].msg.Header)
	delete(headers, partHeader)
	b.addMessage(originOf(place, d), d.time, &natsgo.Msg{Subject: d.msg.Subject, Header: headers, Data: value})
	b.Size += size
}

// addFault appends a message that cannot be read.
func (b *batch) addFault(place string, d *delivery, fault error) {
	b.Messages = append(b.Messages, pipeline.Message{
		Time: d.time, Subject: b.keepString(d.msg.Subject), Origin: originOf(place, d), Fault: fault,
	})
	for _, p := range unjoinAll([]*delivery{d}) {
		b.Size += p.size
	}
}

// unreadBytes are the bytes that wait to be read, without those that wait for
// other parts of a message: more must come before they can be read. l.mu is
// held.
func (l *lane) unreadBytes() int { return l.bytes - l.joining.bytes }

// unjoinAll returns the deliveries that msgs stand for, in order.
func unjoinAll(msgs []*delivery) []*delivery {
	if !slices.ContainsFunc(msgs, func(d *delivery) bool { return len(d.before) > 0 }) {
		return msgs
	}
	var all []*delivery
	for _, d := range msgs {
		all = append(append(all, d.before...), d)
	}
	return all
}

// firstSequence is the sequence of the first part.
func (d *delivery) firstSequence() uint64 {
	if len(d.before) > 0 {
		return d.before[0].sequence
	}
	return d.sequence
}
