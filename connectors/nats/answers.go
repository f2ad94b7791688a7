package nats

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// answers receives the server's answers to the messages that one writer
// publishes. Each message that is to be answered has a number, which ends its
// reply subject. The client library has a way of its own for that; it decodes
// each answer as JSON, and keeps a timer and two channels for each message.
type answers struct {
	conn   *Conn
	stream string // the name that answers likely have
	prefix string // of reply subjects, with its final dot
	sub    *natsgo.Subscription
	timer  *time.Timer   // of awaitAnswer
	most   time.Duration // that an answer may take

	mu      sync.Mutex
	first   uint64   // the number of slots[head]
	slots   []answer // from head on of the numbers that are not forgotten
	head    int
	waiting uint64 // the number that awaitAnswer waits for

	arrived chan struct{} // has an element when that one may have come
}

// answer is the server's to one message.
type answer struct {
	done      bool
	persisted bool // it is part of a batch that goes on
	ack       pubAck
	err       error
}

// lookAround is how often a writer that waits for an answer looks whether there
// is still a connection by which it could come.
const lookAround = 100 * time.Millisecond

func newAnswers(conn *Conn, stream string) (*answers, error) {
	a := &answers{
		conn: conn, stream: stream, prefix: conn.nc.NewInbox() + ".", arrived: make(chan struct{}, 1), most: ackTimeout,
	}
	a.timer = time.NewTimer(lookAround)
	a.timer.Stop()
	sub, err := conn.nc.Subscribe(a.prefix+">", a.noteAnswer)
	if err != nil {
		return nil, err
	}
	// There are no more answers than messages in flight.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		_ = sub.Unsubscribe()
		return nil, err
	}
	a.sub = sub
	return a, nil
}

// closeInbox ends it. Answers under way find nobody.
func (a *answers) closeInbox() { _ = a.sub.Unsubscribe() }

// expectAnswer returns the number of the next message.
func (a *answers) expectAnswer() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.slots = append(a.slots, answer{})
	return a.first + uint64(len(a.slots)-a.head-1)
}

// noteAnswer is called by the client library for every answer. The number is in
// the last token of the reply subject, or in the batch's name of a fast batch.
func (a *answers) noteAnswer(msg *natsgo.Msg) {
	tail := msg.Subject[len(a.prefix):]
	if batch, rest, isFast := strings.Cut(tail, "."); isFast {
		if !strings.HasSuffix(rest, fastSuffix[1:]) || bytes.HasPrefix(msg.Data, []byte(flowAnswer)) {
			return
		}
		_, tail, _ = strings.Cut(batch, "-")
	}
	number, err := strconv.ParseUint(tail, 10, 64)
	if err != nil {
		return
	}
	is := answer{done: true}
	is.ack, is.persisted, is.err = readAnswer(msg, a.stream)
	a.mu.Lock()
	defer a.mu.Unlock()
	slot := a.slotOf(number)
	if slot == nil {
		return // too late
	}
	if !slot.done {
		*slot = is
	}
	if number == a.waiting {
		signalOnce(a.arrived)
	}
}

// look returns the answer to a message, if it has come.
func (a *answers) look(number uint64) answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = number
	if slot := a.slotOf(number); slot != nil {
		return *slot
	}
	return answer{}
}

// slotOf returns the slot of a number; nil if it is forgotten. a.mu is held.
func (a *answers) slotOf(number uint64) *answer {
	if number < a.first || number-a.first >= uint64(len(a.slots)-a.head) {
		return nil
	}
	return &a.slots[a.head+int(number-a.first)]
}

// forgetUpTo forgets the answers to a message and to those before it.
func (a *answers) forgetUpTo(number uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if number < a.first {
		return
	}
	n := min(number-a.first+1, uint64(len(a.slots)-a.head))
	a.first += n
	a.head += int(n)
	if a.head >= len(a.slots)-a.head { // at least as many to drop as to move
		rest := copy(a.slots, a.slots[a.head:])
		clear(a.slots[rest:])
		a.slots, a.head = a.slots[:rest], 0
	}
}

// forgetAll forgets the answers to all messages so far.
func (a *answers) forgetAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.first += uint64(len(a.slots) - a.head)
	a.slots, a.head = a.slots[:0], 0
}

// question is a message to which an answer is expected.
type question struct {
	number  uint64
	subject string
	epoch   uint64    // of the connection by which it went
	sent    time.Time // when
}

// awaitAnswer waits for the answer to a message that was sent. An answer that
// cannot come any more has an error that may pass. The error that awaitAnswer
// itself returns is that of ctx.
func (a *answers) awaitAnswer(ctx context.Context, q question) (answer, error) {
	for {
		if is := a.look(q.number); is.done {
			return is, nil
		}
		switch {
		case a.conn.connectionCount() != q.epoch || !a.conn.nc.IsConnected():
			// The library sends nothing again, so the answer comes by a
			// connection that is gone, or not at all.
			return answer{done: true, err: natsgo.ErrDisconnected}, nil
		case a.conn.deniedPublish(q.sent, q.subject) != nil:
			// The server tells that the right is missing by another way, and
			// gives no answer.
			return answer{done: true, err: a.conn.deniedPublish(q.sent, q.subject)}, nil
		case time.Since(q.sent) >= a.most:
			return answer{done: true, err: jetstream.ErrAsyncPublishTimeout}, nil
		}
		a.timer.Reset(lookAround)
		select {
		case <-a.arrived:
		case <-a.timer.C:
		case <-ctx.Done():
			return answer{}, context.Cause(ctx)
		}
	}
}
