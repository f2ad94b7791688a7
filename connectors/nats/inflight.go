package nats

import (
	"context"
	"sync"
)

// inFlight bounds bytes and messages that are published and not acknowledged. A
// caller that waits for room must hold none: holders that wait for each other
// would wait for ever.
type inFlight struct {
	maxBytes, maxCount int

	mu    sync.Mutex
	bytes int
	count int
	freed chan struct{} // closed and replaced when room is given back
}

func newInFlight(maxBytes, maxCount int) *inFlight {
	return &inFlight{maxBytes: maxBytes, maxCount: maxCount, freed: make(chan struct{})}
}

// takeRoom takes room for one message of size bytes, if there is any; a message
// that is alone always fits. Otherwise it returns a channel that is closed when
// there may be room.
func (f *inFlight) takeRoom(size int) (ok bool, freed <-chan struct{}) { return f.takeRoomFor(1, size) }

// takeRoomFor is takeRoom for count messages that are published as one.
func (f *inFlight) takeRoomFor(count, size int) (ok bool, freed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count > 0 && (f.count+count > f.maxCount || f.bytes+size > f.maxBytes) {
		return false, f.freed
	}
	f.count += count
	f.bytes += size
	return true, nil
}

// awaitRoom waits on the channel that takeRoom returned.
func (f *inFlight) awaitRoom(ctx context.Context, freed <-chan struct{}) error {
	select {
	case <-freed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// giveRoom gives the room of one message back.
func (f *inFlight) giveRoom(size int) { f.giveRoomOf(1, size) }

// giveRoomOf is giveRoom for the room of takeRoomFor.
func (f *inFlight) giveRoomOf(count, size int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count -= count
	f.bytes -= size
	close(f.freed)
	f.freed = make(chan struct{})
}
