package nats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// delivery is one message that the server waits to hear about.
type delivery struct {
	msg      jetstream.Msg // the last one delivered: its reply subject is the one that counts
	sequence uint64
	time     time.Time
	size     int
	done     bool // committed, but the acknowledgement could not be sent
}

// lane is the consumer while it is being served.
//
// Messages arrive on a goroutine of the client library (intake.go), wait in ready, are handed out by
// Read, and wait in taken for Commit, which is in read order. All the while they are in held, and a
// goroutine of the lane tells the server that they are being worked on.
type lane struct {
	source *Source
	parked *parking

	mu      sync.Mutex
	room    sync.Cond            // intake waits here while too much is ready
	held    map[uint64]*delivery // by sequence: all that is not acknowledged
	changes uint64               // counts changes of held
	ready   []*delivery          // not read yet, in order of arrival
	bytes   int                  // of ready
	taken   []*delivery          // read and not committed, in read order
	spares  []*delivery          // after the end of a bounded run
	intake  *intake              // the one that asks for messages; nil if none does
	retryAt time.Time            // when another intake may begin
	err     error                // why there is nothing more to read
	moved   bool                 // something was committed
	closed  bool                 // what arrives is given back
	halted  bool                 // so is it while the stream is parked, and no more is asked for

	unanswered int // the reader's: how often in a row the stream did not say what it holds

	arrived chan struct{} // has an element when ready or err may have changed
	attend  chan struct{} // has an element when the lane's goroutine has something to look at
	stop    context.CancelFunc
	stopped chan struct{} // closed when the lane's goroutine has ended
}

func newLane(s *Source, held *pipeline.Assignment) *lane {
	ctx, stop := context.WithCancel(context.Background())
	l := &lane{
		source:  s,
		held:    make(map[uint64]*delivery),
		arrived: make(chan struct{}, 1),
		attend:  make(chan struct{}, 1),
		stop:    stop,
		stopped: make(chan struct{}),
	}
	l.room.L = &l.mu
	l.parked = &parking{lane: l, held: held}
	notify(l.attend)
	go l.run(ctx)
	return l
}

// Assignment implements pipeline.Lane.
func (l *lane) Assignment() *pipeline.Assignment { return l.parked.held }

// Start is empty: the server remembers what was acknowledged, message by message.
func (l *lane) Start() []pipeline.Position { return nil }

// Read returns the messages that have arrived, up to about limit bytes. In a bounded run it returns
// io.EOF after the last one.
func (l *lane) Read(ctx context.Context, limit int) (*pipeline.Batch, error) {
	wait := newEndWait(l)
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if l.parked.isParked() {
			if l.source.UntilEnd {
				return nil, io.EOF
			}
			if b, err := l.parked.readTrial(); b != nil || err != nil {
				return b, err
			}
			if err := l.parked.wait(ctx); err != nil {
				return nil, err
			}
			continue
		}
		b, err := l.next(limit)
		if b != nil || err != nil {
			return b, err
		}
		ended, err := wait.arrival(ctx)
		if err != nil {
			return nil, err
		}
		if ended {
			return nil, io.EOF
		}
	}
}

// next hands out what is ready; nil if nothing is.
func (l *lane) next(limit int) (*pipeline.Batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ready) == 0 {
		return nil, l.err
	}
	b := newBatch()
	n := 0
	for _, d := range l.ready {
		if n > 0 && b.Size+d.size > limit {
			break
		}
		b.add(l.source.Stream, d)
		b.end[0].Next = max(b.end[0].Next, int64(d.sequence)+1)
		n++
	}
	b.end[0].Place = l.source.Stream
	b.Ends = b.end[:]
	l.bytes -= b.Size
	l.taken = append(l.taken, l.ready[:n]...)
	l.ready = slices.Delete(l.ready, 0, n)
	l.room.Broadcast()
	notify(l.attend)
	return &b.Batch, nil
}

// Commit acknowledges as many messages as done says, in read order: the lane has
// one place. The acknowledgements leave at once; those that cannot, because the
// connection is down, leave when it is back.
func (l *lane) Commit(_ context.Context, done *pipeline.Progress) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if done.Messages > len(l.taken) {
		return fmt.Errorf("nats stream %s: commit of %d messages, only %d were read", l.source.Stream, done.Messages, len(l.taken))
	}
	l.moved = l.moved || done.Messages > 0
	for _, d := range l.taken[:done.Messages] {
		d.done = true
		l.acknowledge(d)
	}
	l.taken = slices.Delete(l.taken, 0, done.Messages)
	return nil
}

// acknowledge tells the server that d is done, or leaves that to a later try. l.mu is held.
func (l *lane) acknowledge(d *delivery) {
	if err := d.msg.Ack(); err != nil && !errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
		return
	}
	delete(l.held, d.sequence)
	l.changes++
}

// fail ends reading with err. l.mu is held.
func (l *lane) fail(err error) {
	if l.err == nil {
		l.err = err
	}
	notify(l.arrived)
}

// run is the lane's goroutine.
func (l *lane) run(ctx context.Context) {
	defer close(l.stopped)
	working := time.NewTicker(l.source.ackWait() / 3)
	defer working.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-working.C:
			l.inProgress()
		case <-look.C:
			l.settleDebts()
			l.supervise(ctx)
		case <-l.attend:
			l.supervise(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// lookEvery is how soon a lost acknowledgement is sent again and a dead intake is noticed.
const lookEvery = 100 * time.Millisecond

// inProgress restarts the server's clock for everything that is held.
func (l *lane) inProgress() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.held {
		if !d.done && d.msg.InProgress() != nil {
			return // disconnected: the server will deliver again what it must
		}
	}
}

// settleDebts sends the acknowledgements that could not be sent. It tells whether none is left.
func (l *lane) settleDebts() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	settled := true
	for _, d := range l.held {
		if d.done {
			l.acknowledge(d)
			settled = settled && l.held[d.sequence] == nil
		}
	}
	return settled
}

// park stops reading and gives back what nobody has read. What has been read stays ours.
func (l *lane) park() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.endIntake()
	for _, d := range l.ready {
		l.giveBack(d)
	}
	l.ready, l.bytes = nil, 0
	l.giveBackSpares()
}

// close lets the lane go: acknowledgements and what is given back have reached the server when it
// returns, unless that cannot be reached within 5 s.
func (l *lane) close() {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	l.mu.Lock()
	l.closed = true
	intake := l.intake
	l.endIntake()
	l.mu.Unlock()
	if intake != nil {
		intake.ended(ctx)
	}
	l.stop()
	<-l.stopped

	for !l.settleDebts() && pause(ctx, 0) == nil {
	}
	l.mu.Lock()
	// In the order of the stream, in which they will then come again.
	for _, sequence := range slices.Sorted(maps.Keys(l.held)) {
		l.giveBack(l.held[sequence])
	}
	l.mu.Unlock()
	nc := l.source.conn.nc
	if !nc.IsConnected() {
		return
	}
	if err := nc.FlushWithContext(ctx); err != nil {
		l.source.Log.Warn("nats lane let go without the server's knowledge", "stream", l.source.Stream, "error", err)
	}
}

// giveBack makes the server deliver d again at once. l.mu is held.
func (l *lane) giveBack(d *delivery) {
	if !d.done {
		_ = d.msg.Nak() // without it the server delivers after AckWait
	}
	delete(l.held, d.sequence)
	l.changes++
}

// notify puts an element into a channel of one unless there is one.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
