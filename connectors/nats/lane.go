package nats

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// lane is the consumer while it is being served.
//
// Messages arrive on a goroutine of the client library (pull.go), wait in
// ready, are handed out by Read, and wait in taken for Commit, which is in read
// order. All the while they are in held, and a goroutine of the lane tells the
// server that they are being worked on.
type lane struct {
	source *Source
	parked *parking

	mu        sync.Mutex
	held      map[uint64]*delivery // by sequence: all that is not acknowledged
	owed      int                  // of held: committed, and not acknowledged yet
	changes   uint64               // counts changes of held
	delivered uint64               // the highest sequence that has arrived
	number    uint64               // of the last delivery; not kept of a shared consumer
	expected  []uint64             // sequences that must come before all others, in this order
	pending   uint64               // how many messages waited in the stream behind it
	ready     []*delivery          // not read yet, in order of arrival
	bytes     int                  // of ready
	firstNew  uint64               // all behind it were never delivered before
	joining   joining              // parts at the front of ready that wait for others
	taken     []*delivery          // read and not committed, in read order
	spares    []*delivery          // after the end of a bounded run
	session   *pullSession         // the one that asks for messages; nil if none does
	retryAt   time.Time            // when another session may begin
	err       error                // why there is nothing more to read
	moved     bool                 // something was committed
	closed    bool                 // messages that arrive are given back
	halted    bool                 // the same, while the stream is parked; in order they are kept
	pastEnd   bool                 // in order, the end of a bounded run has come by
	resets    bool                 // the next lane resets the consumer
	ackAll    bool                 // an acknowledgement is for all messages before, too
	unsaved   []saving             // committed, and not acknowledged before their position is stored

	unanswered int // for the reader: how often in a row the stream did not tell its content

	arrived chan struct{} // has an element when ready or err may have changed
	attend  chan struct{} // has an element when the lane's goroutine has something to look at
	stop    context.CancelFunc
	loops   sync.WaitGroup // the lane's goroutines
}

func newLane(s *Source, held *pipeline.Assignment) *lane {
	ctx, stop := context.WithCancel(context.Background())
	l := &lane{
		source:  s,
		held:    make(map[uint64]*delivery),
		arrived: make(chan struct{}, 1),
		attend:  make(chan struct{}, 1),
		stop:    stop,
	}
	l.parked = &parking{lane: l, held: held}
	l.number, l.joining.wait, l.firstNew, l.expected = s.number, s.partWait, s.firstNew, s.expected
	l.resets = !s.Shared && s.conn.canReset()
	l.ackAll = s.config.AckPolicy == jetstream.AckAllPolicy
	if s.lease != nil {
		s.lease.setChanged(func() { signalOnce(l.attend) })
	}
	signalOnce(l.attend)
	l.loops.Go(func() { l.runLoop(ctx) })
	l.loops.Go(func() { l.watchConsumer(ctx) })
	return l
}

// Assignment implements pipeline.Lane.
func (l *lane) Assignment() *pipeline.Assignment { return l.parked.held }

// Start is what the last owner said of how far it had come. It is empty without
// a lease: the server remembers each acknowledged message.
func (l *lane) Start() []pipeline.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := l.source.start
	if !from.known || from.last < 0 && from.state == nil {
		return nil
	}
	return []pipeline.Position{{
		Place: l.source.Stream, Next: int64(from.next), Last: from.last, State: slices.Clone(from.state),
	}}
}

// Read returns the messages that have arrived, up to about limit bytes. In a
// bounded run it returns io.EOF after the last one.
func (l *lane) Read(ctx context.Context, limit int) (*pipeline.Batch, error) {
	l.mu.Lock()
	l.joining.limit = limit
	l.mu.Unlock()
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
			if err := l.parked.awaitChange(ctx); err != nil {
				return nil, err
			}
			continue
		}
		b, err := l.takeReady(limit)
		if b != nil || err != nil {
			return b, err
		}
		ended, err := wait.awaitArrival(ctx)
		if err != nil {
			return nil, err
		}
		if ended {
			return nil, io.EOF
		}
	}
}

// takeReady hands out the messages that are ready; nil if none are.
func (l *lane) takeReady(limit int) (*pipeline.Batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ready) == 0 {
		return nil, l.err
	}
	if l.ready[0].size < largeRead {
		// A batch is as large as the messages that may wait to be read, though
		// more may have arrived: the memory of a worker grows with its largest
		// batch. Of large messages a batch would have too few.
		limit = min(limit, l.source.ReadAhead)
	}
	b := newBatch()
	b.sealed, b.dropTTL = l.source.Sealed, l.source.DropTTL
	rest := l.ready
	for len(rest) > 0 {
		n, fault := l.measureMessage(rest)
		size := sizeOfAll(rest[:n])
		if n == 0 || len(b.Messages) > 0 && b.Size+size > limit {
			break
		}
		d := joinParts(rest[:n])
		b.addRead(l.source.Stream, d, fault)
		b.end[0].Next = max(b.end[0].Next, int64(d.sequence)+1)
		l.bytes -= size
		l.taken = append(l.taken, d)
		rest = rest[n:]
	}
	l.ready = slices.Delete(l.ready, 0, len(l.ready)-len(rest))
	if len(b.Messages) == 0 {
		b.Release()
		return nil, l.err
	}
	b.end[0].Place = l.source.Stream
	b.Ends = b.end[:]
	if l.session != nil {
		l.session.askForMore()
	}
	signalOnce(l.attend)
	return &b.Batch, nil
}

// largeRead is the size from which on a batch may have more bytes than wait
// to be read.
const largeRead = 16 << 10

// signalOnce puts an element into a channel of one unless there is one.
func signalOnce(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
