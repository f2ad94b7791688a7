package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// intake asks the server for messages until it is ended.
//
// Too much that is ready to be read makes it wait, and the server with it: messages that have been
// asked for then wait in the client library, where nobody can tell the server that they are being
// worked on. So an intake that has been under pressure for a while is ended: it takes in what is still
// on its way, the lane looks after that, and another intake begins once there is room.
type intake struct {
	lane     *lane
	consume  jetstream.ConsumeContext
	pressure *time.Timer // started by the first wait; nil before
	ending   bool        // asks for nothing more
	epoch    uint64      // of the connection that it began on
	silence  int         // heartbeats missed since the last message
}

// begin starts an intake. l.mu is held, which keeps the first message from overtaking it.
func (l *lane) begin() error {
	in := &intake{lane: l, epoch: l.source.conn.epoch()}
	consume, err := l.source.consumer.Consume(in.take,
		jetstream.PullMaxBytes(l.source.window),
		jetstream.PullExpiry(pullExpiry),
		jetstream.PullHeartbeat(heartbeat),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { in.failed(err) }),
	)
	if err != nil {
		return err
	}
	in.consume = consume
	l.intake = in
	return nil
}

// endIntake lets the lane's intake take in what is on its way, and no more. l.mu is held.
func (l *lane) endIntake() {
	if l.intake != nil {
		l.intake.end()
	}
}

// end is endIntake for any intake. l.mu is held.
func (in *intake) end() {
	in.ending = true
	if in.pressure != nil {
		in.pressure.Stop()
	}
	in.consume.Drain()
	in.lane.room.Broadcast()
}

// ended waits until nothing more arrives.
func (in *intake) ended(ctx context.Context) {
	select {
	case <-in.consume.Closed():
	case <-ctx.Done():
	}
}

// take is called by the client library for every message, one after the other.
func (in *intake) take(msg jetstream.Msg) {
	l := in.lane
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.bytes >= l.source.ReadAhead && !in.ending {
		in.press()
		l.room.Wait()
	}
	in.silence = 0
	meta, err := msg.Metadata()
	switch {
	case err != nil:
		l.fail(fmt.Errorf("nats stream %s: message without metadata: %w", l.source.Stream, err))
	default:
		l.hold(msg, meta)
	}
}

// hold notes a message for Read, unless it is known already or comes too late. l.mu is held.
func (l *lane) hold(msg jetstream.Msg, meta *jetstream.MsgMetadata) {
	if d := l.held[meta.Sequence.Stream]; d != nil {
		d.msg = msg
		if d.done {
			l.acknowledge(d)
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
		l.spare(d)
		return
	}
	l.ready = append(l.ready, d)
	l.bytes += d.size
	notify(l.arrived)
}

// spare keeps a message that comes after the end of a bounded run. Everything up to the end has then
// been delivered once, and to go on would read the stream empty for nothing; so the intake ends. What
// is to be delivered a second time is asked for after a while, and the spares are given back before.
// l.mu is held.
func (l *lane) spare(d *delivery) {
	l.spares = append(l.spares, d)
	l.retryAt = time.Now().Add(sparePause)
	l.endIntake()
}

// giveBackSpares gives them to whoever reads on. l.mu is held.
func (l *lane) giveBackSpares() {
	for _, d := range l.spares {
		l.giveBack(d)
	}
	l.spares = nil
}

// press starts the time that an intake may be under pressure. l.mu is held.
func (in *intake) press() {
	if in.pressure == nil {
		in.pressure = time.AfterFunc(in.lane.source.ackWait()/4, in.relieve)
	}
}

func (in *intake) relieve() {
	in.lane.mu.Lock()
	defer in.lane.mu.Unlock()
	in.end()
}

// failed is told by the client library what went wrong; it goes on by itself in most cases.
func (in *intake) failed(err error) {
	l := in.lane
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, jetstream.ErrNoHeartbeat) {
		in.silence++
	}
	if !in.ending {
		l.source.Log.Warn("nats consumer", "stream", l.source.Stream, "consumer", l.source.config.Name, "error", err)
	}
	notify(l.attend)
}

const (
	// silenceLimit is how many heartbeats in a row may be missing before we look for ourselves.
	silenceLimit = 2
	sparePause   = time.Second
	lookAgain    = time.Second
)

// supervise sees to it that there is an intake when there should be one. Only the lane's goroutine
// calls it.
func (l *lane) supervise(ctx context.Context) {
	switch l.need() {
	case nothing:
	case another:
		l.resume()
	case anew:
		l.restart(ctx, false)
	case anewIfPending:
		l.restart(ctx, true)
	}
}

// need is what an intake needs.
type need int

const (
	nothing       need = iota
	another            // it was ended, and there is room again
	anew               // there is none, it ended by itself, or its request was lost with a connection
	anewIfPending      // it is silent
)

func (l *lane) need() need {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := l.intake
	switch {
	case l.closed || l.halted || l.err != nil || time.Now().Before(l.retryAt):
		return nothing
	case in == nil:
		return anew
	case in.ending && l.bytes <= l.source.ReadAhead/2:
		return another
	case in.ending:
		return nothing
	case in.epoch != l.source.conn.epoch():
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

// resume begins an intake on the consumer as it is known.
func (l *lane) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.halted {
		return
	}
	l.giveBackSpares()
	if err := l.begin(); err != nil {
		l.retryAt = time.Now().Add(lookAgain)
		l.source.Log.Warn("nats consumer not started", "stream", l.source.Stream, "consumer", l.source.config.Name, "error", err)
	}
}

// restart asks the server about the consumer before it begins another intake. onlyPending leaves an
// intake alone that is silent because there is nothing to say.
func (l *lane) restart(ctx context.Context, onlyPending bool) {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	consumer, err := l.source.lookUp(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retryAt = time.Now().Add(lookAgain)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
		l.fail(fmt.Errorf("nats stream %s, consumer %s: %w", l.source.Stream, l.source.config.Name, err))
		return
	case err != nil:
		return // the server is away; look again
	}
	if onlyPending && consumer.CachedInfo().NumPending == 0 {
		l.intake.silence = 0
		return
	}
	if l.intake != nil {
		l.source.Log.Warn("nats consumer started again", "stream", l.source.Stream, "consumer", l.source.config.Name)
		l.endIntake()
	}
	l.source.consumer = consumer
	if l.closed || l.halted {
		return
	}
	if err := l.begin(); err != nil {
		l.source.Log.Warn("nats consumer not started", "stream", l.source.Stream, "consumer", l.source.config.Name, "error", err)
		return
	}
	l.retryAt = time.Time{}
}
