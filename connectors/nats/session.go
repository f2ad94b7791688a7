package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// pullSession asks the server for messages until it is ended.
//
// While too many messages wait to be read, the session waits, and the client
// library holds those that were asked for. There nobody can tell the server
// that they are being worked on. So a session that has been under pressure for
// a while is ended: it receives the messages that are still on their way, the
// lane looks after them, and another session begins once there is room.
type pullSession struct {
	lane     *lane
	consume  jetstream.ConsumeContext
	pressure *time.Timer // started by the first wait; nil before
	ending   bool        // asks for nothing more
	epoch    uint64      // of the connection that it began on
	silence  int         // heartbeats missed since the last message
}

// beginSession starts a session. l.mu is held, which keeps the first message
// from overtaking it.
func (l *lane) beginSession() error {
	in := &pullSession{lane: l, epoch: l.source.conn.connectionCount()}
	consume, err := l.source.consumer.Consume(in.receive,
		jetstream.PullMaxBytes(l.source.window),
		jetstream.PullExpiry(pullExpiry),
		jetstream.PullHeartbeat(heartbeat),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { in.noteError(err) }),
	)
	if err != nil {
		return err
	}
	in.consume = consume
	l.session = in
	return nil
}

// endSession lets the lane's session receive the messages on their way, and no
// more. l.mu is held.
func (l *lane) endSession() {
	if l.session != nil {
		l.session.drain()
	}
}

// drain is endSession for one session. l.mu is held.
func (in *pullSession) drain() {
	in.ending = true
	if in.pressure != nil {
		in.pressure.Stop()
	}
	in.consume.Drain()
	in.lane.room.Broadcast()
}

// awaitEnd waits until nothing more arrives.
func (in *pullSession) awaitEnd(ctx context.Context) {
	select {
	case <-in.consume.Closed():
	case <-ctx.Done():
	}
}

// receive is called by the client library for every message, one after the
// other.
func (in *pullSession) receive(msg jetstream.Msg) {
	l := in.lane
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.bytes >= l.source.ReadAhead && !in.ending {
		in.startPressure()
		l.room.Wait()
	}
	in.silence = 0
	meta, err := msg.Metadata()
	switch {
	case err != nil:
		l.failReads(fmt.Errorf("nats stream %s: message without metadata: %w", l.source.Stream, err))
	default:
		l.holdDelivery(msg, meta)
	}
}

// holdDelivery notes a message for Read, unless it is known already or comes
// too late. l.mu is held.
func (l *lane) holdDelivery(msg jetstream.Msg, meta *jetstream.MsgMetadata) {
	if meta.Sequence.Stream >= l.delivered {
		l.delivered, l.pending = meta.Sequence.Stream, meta.NumPending
	}
	if d := l.held[meta.Sequence.Stream]; d != nil {
		d.msg = msg
		if d.done {
			l.ackDelivery(d)
		}
		return
	}
	if l.closed || l.halted {
		_ = msg.Nak() // without it the server delivers after AckWait
		return
	}
	d := &delivery{msg: msg, sequence: meta.Sequence.Stream, time: meta.Timestamp, size: sizeOf(msg)}
	l.held[d.sequence] = d
	l.changes++
	if l.source.UntilEnd && d.sequence > l.source.last {
		l.keepSpare(d)
		return
	}
	l.ready = append(l.ready, d)
	l.bytes += d.size
	signalOnce(l.arrived)
}

// keepSpare keeps a message that comes after the end of a bounded run.
// Everything up to the end has been delivered once by then, and further reading
// would empty the stream for nothing, so the session ends. Redeliveries are
// asked for after a while, and the spares are given back before. l.mu is held.
func (l *lane) keepSpare(d *delivery) {
	l.spares = append(l.spares, d)
	l.retryAt = time.Now().Add(sparePause)
	l.endSession()
}

// giveBackSpares gives the spares back to the other readers. l.mu is held.
func (l *lane) giveBackSpares() {
	for _, d := range l.spares {
		l.giveBack(d)
	}
	l.spares = nil
}

// startPressure starts the time that a session may be under pressure. l.mu is
// held.
func (in *pullSession) startPressure() {
	if in.pressure == nil {
		in.pressure = time.AfterFunc(in.lane.source.effectiveAckWait()/4, in.relievePressure)
	}
}

func (in *pullSession) relievePressure() {
	in.lane.mu.Lock()
	defer in.lane.mu.Unlock()
	in.drain()
}

// noteError receives the client library's errors, most of which it survives by
// itself.
func (in *pullSession) noteError(err error) {
	l := in.lane
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, jetstream.ErrNoHeartbeat) {
		in.silence++
	}
	if !in.ending {
		l.source.Log.Warn("nats consumer", "stream", l.source.Stream, "consumer", l.source.config.Name, "error", err)
	}
	signalOnce(l.attend)
}

const (
	// silenceLimit is how many heartbeats in a row may be missing before we
	// look for ourselves.
	silenceLimit = 2
	sparePause   = time.Second
	lookAgain    = time.Second
)

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
	case l.closed || l.halted || l.err != nil || time.Now().Before(l.retryAt):
		return nothing
	case in == nil:
		return anew
	case in.ending && l.bytes <= l.source.ReadAhead/2:
		return another
	case in.ending:
		return nothing
	case in.epoch != l.source.conn.connectionCount():
		return anew
	case in.silence >= silenceLimit:
		return anewIfPending
	}
	select {
	case <-in.consume.Closed():
		return anew
	default:
		return nothing
	}
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
// session. With onlyPending, a session that is silent because no messages wait
// is left alone.
func (l *lane) restartSession(ctx context.Context, onlyPending bool) {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	consumer, err := l.source.lookUp(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retryAt = time.Now().Add(lookAgain)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
		l.failReads(fmt.Errorf("nats stream %s, consumer %s: %w", l.source.Stream, l.source.config.Name, err))
		return
	case err != nil:
		return // the server is away; look again
	}
	if onlyPending && consumer.CachedInfo().NumPending == 0 {
		l.session.silence = 0
		return
	}
	if l.session != nil {
		l.source.Log.Warn("nats consumer started again", "stream", l.source.Stream, "consumer", l.source.config.Name)
		l.endSession()
	}
	l.source.consumer = consumer
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
