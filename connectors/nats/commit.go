package nats

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// saving is messages that wait until a position is stored.
type saving struct {
	number uint64 // of the position
	msgs   []*delivery
}

// Commit acknowledges as many messages as done says, in read order: the lane
// has one place. The acknowledgements leave at once; those that cannot, because
// the connection is down, leave when it is back. If the position has the state
// of a Gate, its messages are acknowledged when that is stored with the lease,
// within 100 ms: a message that is acknowledged and that the Gate does not know
// could be played again to the next owner. So are messages in parts, and all
// behind one that waits.
func (l *lane) Commit(_ context.Context, done *pipeline.Progress) error {
	if err := l.CheckOwner(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if done.Messages > len(l.taken) {
		return fmt.Errorf("nats stream %s: commit of %d messages, only %d were read",
			l.source.Stream, done.Messages, len(l.taken))
	}
	l.moved = l.moved || done.Messages > 0
	for _, aside := range done.SetAside {
		if aside.Index < done.Messages {
			l.taken[aside.Index].refused = aside.Reason
		}
	}
	msgs := unjoinAll(l.taken[:done.Messages])
	number, waits := l.notePosition(done, msgs)
	for _, d := range msgs {
		l.markDone(d)
	}
	if waits {
		l.unsaved = append(l.unsaved, saving{number, slices.Clone(msgs)})
	} else {
		l.ackDeliveries(msgs)
	}
	l.taken = slices.Delete(l.taken, 0, done.Messages)
	return nil
}

// notePosition notes how far the lane has come, here and with the lease. waits
// tells whether the messages must not be acknowledged before that is stored.
// l.mu is held.
func (l *lane) notePosition(done *pipeline.Progress, msgs []*delivery) (number uint64, waits bool) {
	if l.source.Shared || len(done.Places) == 0 || len(msgs) == 0 {
		return 0, false
	}
	at, from := &done.Places[0], &l.source.start
	from.known, from.next, from.last, from.stored = true, uint64(at.Next), at.Last, msgs[len(msgs)-1].time
	if rest := l.taken[done.Messages:]; len(rest) > 0 {
		// A position behind which parts lie begins with the first of them.
		from.next = min(from.next, rest[0].firstSequence())
	}
	from.state = append(from.state[:0:0], at.State...)
	if l.source.lease == nil {
		return 0, false
	}
	// The server may forget some parts of a message and not the others, so it
	// must be known first that it is done. Messages behind those that wait do
	// so, too: an acknowledgement may be for all before, and settleDebts counts
	// on it.
	waits = len(at.State) > 0 || len(msgs) > done.Messages || len(l.unsaved) > 0
	from.note = l.source.lease.savePosition(savedPosition{
		Created: l.source.created.UnixNano(), Consumer: from.consumer, Next: int64(from.next), Last: at.Last,
		Time: from.stored.UnixNano(), State: from.state,
	}, waits)
	return from.note, waits
}

// ackSaved acknowledges the messages that waited for a position which is stored
// by now. l.mu is held.
func (l *lane) ackSaved() {
	for len(l.unsaved) > 0 && l.source.lease.isSaved(l.unsaved[0].number) {
		l.ackDeliveries(l.unsaved[0].msgs)
		l.unsaved = slices.Delete(l.unsaved, 0, 1)
	}
}

// ackDeliveries tells the server that messages are done, or leaves that to a
// later try. l.mu is held.
func (l *lane) ackDeliveries(msgs []*delivery) {
	if len(msgs) == 0 {
		return
	}
	if l.ackAll && !l.ackTogether(msgs) {
		return
	}
	for _, d := range msgs {
		if l.ackAll {
			l.forgetDelivery(d)
		} else {
			l.ackDelivery(d)
		}
	}
}

// ackTogether acknowledges messages with one word, but for those that went to
// the dead letters: each of these has its own, which is for all before, too. It
// tells whether the last word has left. l.mu is held.
func (l *lane) ackTogether(msgs []*delivery) bool {
	last := msgs[len(msgs)-1]
	for _, d := range msgs {
		if (d.refused != "" || d == last) && l.sendWord(d.msg, d.doneWord()) != nil {
			return false
		}
	}
	return true
}

// ackDelivery is ackDeliveries for one message that has an acknowledgement of
// its own. l.mu is held.
func (l *lane) ackDelivery(d *delivery) {
	if l.sendWord(d.msg, d.doneWord()) != nil {
		return
	}
	l.forgetDelivery(d)
}

// markDone notes that a message that is held is committed. Its content is let
// go: nobody reads it again, and its acknowledgement may wait for a position to
// be stored. l.mu is held.
func (l *lane) markDone(d *delivery) {
	if !d.done && l.held[d.sequence] == d {
		l.owed++
	}
	d.done = true
	d.msg.Data, d.msg.Header = nil, nil
}

// forgetDelivery takes a message out of those that are held. l.mu is held.
func (l *lane) forgetDelivery(d *delivery) {
	if l.held[d.sequence] != d {
		return
	}
	if d.done {
		l.owed--
	}
	delete(l.held, d.sequence)
	l.changes++
}

// settleDebts sends the acknowledgements that could not be sent. It tells
// whether none is left.
func (l *lane) settleDebts() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.source.lease != nil {
		l.ackSaved()
	}
	if l.owed == 0 {
		return true // nearly always: held may be large
	}
	waiting := 0
	for _, w := range l.unsaved {
		waiting += len(w.msgs)
	}
	var debts []*delivery
	for _, d := range l.held {
		if d.done {
			debts = append(debts, d)
		}
	}
	if len(debts) > waiting {
		slices.SortFunc(debts, func(a, b *delivery) int { return cmp.Compare(a.sequence, b.sequence) })
		l.ackDeliveries(debts[:len(debts)-waiting]) // those that wait for their position come last
	}
	return len(debts) == 0
}

// giveBack makes the server deliver d again at once. Where the next lane of
// this process resets the consumer that comes to nothing, and a word that is
// late would disturb it. l.mu is held.
func (l *lane) giveBack(d *delivery) {
	if !d.done && !l.resets {
		_ = l.sendWord(d.msg, wordNak) // without it the server delivers after AckWait
	}
	l.forgetDelivery(d)
}
