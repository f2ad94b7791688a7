package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// pullSession asks the consumer for messages until it is ended.
//
// It asks for no more than there is room for, and takes everything that comes
// at once. So no message waits in the client library, where nobody could tell
// the server that it is being worked on, and a session need not be ended under
// back-pressure. That matters for the order: a message that the server sends to
// a session which has just ended is lost, and comes again after AckWait, behind
// later ones.
type pullSession struct {
	lane   *lane
	sub    *natsgo.Subscription
	inbox  string // of the requests, with its final dot
	asked  int    // requests so far
	epoch  uint64 // of the connection that it began on
	bytes  int    // asked for and not delivered
	count  int    // messages, likewise
	heard  time.Time
	ending bool  // asks for nothing more
	over   error // why it must be started again; nil while it goes on
}

const (
	// silenceLimit is how many heartbeats in a row may be missing before we
	// look for ourselves.
	silenceLimit = 2
	sparePause   = time.Second
	lookAgain    = time.Second
	// smallMessage is the size that the number of messages in a request is made
	// for: the structs of smaller ones would take more memory than the
	// messages.
	smallMessage = 512
)

// beginSession starts a session. l.mu is held, which keeps the first message
// from overtaking it.
func (l *lane) beginSession() error {
	nc := l.source.conn.nc
	in := &pullSession{
		lane: l, inbox: nc.NewInbox() + ".", epoch: l.source.conn.connectionCount(), heard: time.Now(),
	}
	sub, err := nc.Subscribe(in.inbox+"*", in.receive)
	if err != nil {
		return err
	}
	// What arrives is bounded by what was asked for.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		_ = sub.Unsubscribe()
		return err
	}
	in.sub = sub
	l.session = in
	in.askForMore()
	return nil
}

// endSession ends the lane's session: what is on its way to it comes again, to
// this lane or another one. l.mu is held.
func (l *lane) endSession() {
	if l.session == nil || l.session.ending {
		return
	}
	l.session.ending = true
	_ = l.session.sub.Drain() // without a connection there is nothing to end
}

// awaitEnd waits until nothing more arrives.
func (in *pullSession) awaitEnd(ctx context.Context) {
	for in.sub.IsValid() && ctx.Err() == nil {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// askForMore asks for a window of messages if there is room for it and less
// than half a window is on its way. l.mu is held.
func (in *pullSession) askForMore() {
	l := in.lane
	window := l.source.window
	if in.ending || in.over != nil || l.err != nil || l.closed || l.halted || l.unreadBytes() >= l.source.ReadAhead {
		return
	}
	count := max(window/smallMessage, 1)
	if in.bytes > window/2 && in.count > count/2 {
		return
	}
	in.asked++
	request, err := json.Marshal(map[string]any{
		"batch": count, "max_bytes": window,
		"expires": pullExpiry.Nanoseconds(), "idle_heartbeat": heartbeat.Nanoseconds(),
	})
	if err == nil {
		subject := l.source.conn.apiSubject("CONSUMER.MSG.NEXT." + l.source.Stream + "." + l.source.config.Name)
		err = l.source.conn.nc.PublishRequest(subject, in.inbox+strconv.Itoa(in.asked), request)
	}
	if err != nil {
		in.end(err)
		return
	}
	in.bytes += window
	in.count += count
}

// end says that the session must be started again. l.mu is held.
func (in *pullSession) end(err error) {
	in.over = err
	signalOnce(in.lane.attend)
}

// receive is called by the client library for every message, one after the
// other.
func (in *pullSession) receive(msg *natsgo.Msg) {
	l := in.lane
	l.mu.Lock()
	defer l.mu.Unlock()
	in.heard = time.Now()
	if !isDelivery(msg) {
		in.noteStatus(msg)
		in.askForMore()
		return
	}
	in.bytes = max(0, in.bytes-msg.Size())
	in.count = max(0, in.count-1)
	is, err := parseReply(msg.Reply)
	if err != nil {
		l.failReads(fmt.Errorf("nats stream %s: %w", l.source.Stream, err))
		return
	}
	l.holdDelivery(msg, is)
	in.askForMore()
}

// Statuses of the server (nats-architecture-and-design, ADR-13).
const (
	statusHeartbeat    = "100"
	statusNoMessages   = "404"
	statusTimeout      = "408"
	statusConflict     = "409"
	statusNoResponders = "503"

	pendingMessages = "Nats-Pending-Messages"
	pendingBytes    = "Nats-Pending-Bytes"
)

// noteStatus acts on a word of the server. l.mu is held.
func (in *pullSession) noteStatus(msg *natsgo.Msg) {
	status, text := msg.Header.Get(statusHeader), msg.Header.Get("Description")
	if status == statusHeartbeat {
		return
	}
	// A request has ended. What it did not bring is free to be asked for again.
	n, _ := strconv.Atoi(msg.Header.Get(pendingMessages))
	in.count = max(0, in.count-max(n, 0))
	n, _ = strconv.Atoi(msg.Header.Get(pendingBytes))
	in.bytes = max(0, in.bytes-max(n, 0))
	switch {
	case status == statusNoMessages, status == statusTimeout:
	case status == statusConflict && (strings.EqualFold(text, "Message Size Exceeds MaxBytes") ||
		strings.EqualFold(text, "Batch Completed")):
	case status == statusConflict, status == statusNoResponders:
		in.end(fmt.Errorf("%s %s", status, text))
	default:
		in.end(fmt.Errorf("a status of the server that is not known: %.3q", status))
	}
}

// silentFor tells whether heartbeats are missing. l.mu is held.
func (in *pullSession) isSilent(now time.Time) bool {
	return now.Sub(in.heard) > silenceLimit*heartbeat+heartbeat/2
}

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

// superviseSession starts a session where one is due. Only the lane's goroutine
// calls it.
func (l *lane) superviseSession(ctx context.Context) {
	switch l.sessionNeed() {
	case nothing:
	case another:
		l.resumeSession()
	case anew:
		l.restartSession(ctx, false)
	case anewIfPending:
		l.restartSession(ctx, true)
	}
}

// need is the next step for a session.
type need int

const (
	nothing       need = iota
	another            // it was ended, and there is room again
	anew               // there is none, it ended by itself, or its request was lost with a connection
	anewIfPending      // it is silent
)

func (l *lane) sessionNeed() need {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := l.session
	switch {
	case l.closed || l.halted || l.err != nil || l.pastEnd || time.Now().Before(l.retryAt):
		return nothing
	case in == nil:
		return anew
	case in.ending && !in.sub.IsValid() && l.unreadBytes() < l.source.ReadAhead:
		return another
	case in.ending:
		return nothing
	case in.over != nil, in.epoch != l.source.conn.connectionCount():
		return anew
	case in.isSilent(time.Now()):
		return anewIfPending
	}
	return nothing
}

// resumeSession begins a session on the consumer without asking the server
// about it.
func (l *lane) resumeSession() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.halted {
		return
	}
	l.giveBackSpares()
	if err := l.beginSession(); err != nil {
		l.retryAt = time.Now().Add(lookAgain)
		l.source.Log.Warn("nats consumer not started",
			"stream", l.source.Stream, "consumer", l.source.config.Name, "error", err)
	}
}

// restartSession asks the server about the consumer before it begins another
// session. With onlyPending, a session that is silent because no messages wait,
// and none that were delivered are missing here, is left alone.
func (l *lane) restartSession(ctx context.Context, onlyPending bool) {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	started := time.Now()
	consumer, err := l.source.lookUp(ctx)
	l.failDenied(l.source.conn.explainStream(started, l.source.Stream, err))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retryAt = time.Now().Add(lookAgain)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound) && !l.source.Shared:
		l.lose("the consumer was deleted")
		return
	case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
		l.failReads(pipeline.Passing(
			fmt.Errorf("nats stream %s, consumer %s: %w", l.source.Stream, l.source.config.Name, err)))
		return
	case err != nil:
		return // the server is away; look again
	}
	l.source.notePause(consumer.CachedInfo())
	info := consumer.CachedInfo()
	if onlyPending && info.NumPending == 0 && info.NumAckPending <= len(l.held) {
		l.session.heard = time.Now()
		return
	}
	if l.session != nil {
		l.source.Log.Warn("nats consumer started again",
			"stream", l.source.Stream, "consumer", l.source.config.Name, "error", l.session.over)
		l.endSession()
		if !l.source.Shared {
			l.lose("the request for messages was lost")
			return
		}
	}
	if l.closed || l.halted {
		return
	}
	if err := l.beginSession(); err != nil {
		l.source.Log.Warn("nats consumer not started",
			"stream", l.source.Stream, "consumer", l.source.config.Name, "error", err)
		return
	}
	l.retryAt = time.Time{}
}

// sendWord tells the server about a message.
func (l *lane) sendWord(msg *natsgo.Msg, word []byte) error {
	return l.source.conn.nc.Publish(msg.Reply, word)
}
