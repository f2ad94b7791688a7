package kafka

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// moves are partitions that join and leave a lane while it is served. The
// lane's reader carries them out between two fetches.
type moves struct {
	mu      sync.Mutex
	joining []joining
	leaving []int32
	handed  map[int32]int64 // where reading has stopped, of those that have left
	durable map[int32]int64 // up to where offsets are committed
	news    chan struct{}   // closed when handed or durable has changed
	wake    context.CancelFunc
}

// joining is a partition with the position where it begins.
type joining struct {
	number int32 // its slot
	at     pipeline.Position
}

func (m *moves) init() {
	m.handed, m.durable, m.news = make(map[int32]int64), make(map[int32]int64), make(chan struct{})
}

// noteNews wakes those that wait. m.mu is held.
func (m *moves) noteNews() {
	close(m.news)
	m.news = make(chan struct{})
}

// interrupt ends the wait or the fetch of the reader. m.mu is held.
func (m *moves) interrupt() {
	if m.wake != nil {
		m.wake()
	}
}

// join has a partition join the lane.
func (l *lane) join(number int32, at pipeline.Position, epoch int32) {
	m := &l.moves
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.handed, number)
	l.fetcher.epochs.begin(at.Place, epoch)
	m.durable[number] = at.Next
	m.leaving = slices.DeleteFunc(m.leaving, func(n int32) bool { return n == number })
	m.joining = append(m.joining, joining{number, at})
	m.interrupt()
}

// leave has a partition leave the lane: it is read no further.
func (l *lane) leave(number int32) {
	m := &l.moves
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leaving = append(m.leaving, number)
	m.interrupt()
}

// awaitGone waits until partitions have left and everything that was read of
// them is committed, or the lane has ended.
func (l *lane) awaitGone(ctx context.Context, numbers []int32) error {
	for {
		m := &l.moves
		m.mu.Lock()
		gone, news := true, m.news
		for _, number := range numbers {
			gone = gone && l.isGone(number)
		}
		m.mu.Unlock()
		if gone {
			return nil
		}
		// A partition that is parked meanwhile is not told of here.
		look := time.NewTimer(lookAgain)
		select {
		case <-news:
		case <-look.C:
		case <-l.closed:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		look.Stop()
	}
}

// lookAgain is how often a lane looks whether a partition that is to leave was
// parked.
const lookAgain = 100 * time.Millisecond

// isGone tells whether nothing of a partition is under way. A parked one is
// committed up to the message at which it is parked. The lock of the moves is
// held.
func (l *lane) isGone(number int32) bool {
	handed, left := l.moves.handed[number]
	if !left {
		return false
	}
	stop := l.held.Stop(l.source.topics.placeOf(number))
	return l.moves.durable[number] >= min(handed, stop) || l.owner.group() == ""
}

// noteDurable notes offsets that are committed.
func (l *lane) noteDurable(offsets []cluster.Offset) {
	m := &l.moves
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range offsets {
		if number, ok := l.source.topics.findSlot(offsets[i].Topic, offsets[i].Partition); ok {
			m.durable[number] = offsets[i].Next
		}
	}
	m.noteNews()
}

// bindWake returns a context for one wait or fetch of the reader, which ends
// when a partition is to join or leave. It is over at once if that is so now.
func (l *lane) bindWake(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	m := &l.moves
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wake = cancel
	if len(m.joining)+len(m.leaving) > 0 {
		cancel()
	}
	return ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.wake = nil
		cancel()
	}
}

// carryOutMoves has partitions join and leave. It is called by the reader.
func (l *lane) carryOutMoves() {
	m := &l.moves
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.joining)+len(m.leaving) == 0 {
		return
	}
	for _, number := range m.leaving {
		p := l.fetcher.removePart(number)
		if p == nil { // it has yet to join
			m.handed[number] = math.MinInt64
			m.joining = slices.DeleteFunc(m.joining, func(j joining) bool { return j.number == number })
			continue
		}
		m.handed[number] = p.handed
		l.dropPlace(p)
	}
	for i := range m.joining {
		p := l.newPartition(m.joining[i].number, m.joining[i].at)
		p.starts = &m.joining[i].at
		l.fetcher.addPart(p)
		l.addPlace(p)
	}
	m.joining, m.leaving = nil, m.leaving[:0]
	l.fetcher.lookAtStops()
	m.noteNews()
}
