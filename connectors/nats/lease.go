package nats

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/internal/retry"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// A lease makes one process the owner of a consumer. It is an entry of a KV
// bucket, which its owner writes again every second, each time on top of its
// own last revision: when somebody else has written in between, the owner is
// told so by the server.
//
// Clocks of different machines are never compared. Another process takes the
// lease over when it has seen one revision for leaseTime; the owner, counting
// from before it sent its last renewal, stops writing at ownerTime. Both count
// by their monotonic clocks, so an owner that was stopped and goes on finds out
// at once; unless its clock stood still, too, as that of a paused virtual
// machine may: then its next renewal tells it.
const (
	leaseTime  = 10 * time.Second
	ownerTime  = 8 * time.Second
	renewEvery = time.Second
	// leaseAnswer is how long the server may take to answer: long enough on a
	// busy machine, short enough for a second try.
	leaseAnswer = 3 * time.Second
	// saveEvery is how soon after one renewal another one may carry a state:
	// acknowledgements wait for it.
	saveEvery = 50 * time.Millisecond
	// leaseLook is how often a process that waits for the lease looks at it.
	leaseLook = 250 * time.Millisecond
)

// errLease is the error of a lane whose lease is gone.
var errLease = errors.New("another process has taken the lease over")

// ErrNoLease is the error of a lease that cannot be kept: rights on its bucket
// are missing, or the server has no JetStream for it.
var ErrNoLease = errors.New("no lease of the consumer")

// leaseRecord is the entry. Nothing of it is secret.
type leaseRecord struct {
	Owner    string         `json:"owner"` // random, of a process
	Instance string         `json:"instance,omitempty"`
	Released bool           `json:"released,omitempty"`
	Position *savedPosition `json:"position,omitempty"`
}

// lease is this process's side of the entry.
type lease struct {
	conn  *Conn
	kv    jetstream.KeyValue
	key   string
	store StateStore // of positions with the Gate's state; nil keeps them in the entry
	// stateName is the name of the entry in store.
	stateName string
	about     []any // for logs
	log       *slog.Logger

	mu        sync.Mutex
	record    leaseRecord    // as this process would store it
	elsewhere *savedPosition // the position, where there is a store
	revision  uint64         // of the entry as this process stored it
	until     time.Time      // when this process stops being the owner
	lost      bool
	confirmed time.Time     // when the last renewal was sent that the server took
	turned    chan struct{} // closed and replaced after each renewal, taken or not
	unsaved   uint64        // counts the positions given to savePosition
	saved     uint64        // that of them which is stored

	work    chan struct{} // has an element when there is a position to store
	changed func()        // is called when saved or lost has changed, not under mu
	stop    context.CancelFunc
	loops   sync.WaitGroup // those of the renewal, and of the store
}

// newLease returns a lease that this process does not have yet.
func (s *Source) newLease() *lease {
	return &lease{
		conn: s.conn, kv: s.bucket, key: "lease." + s.Stream + "." + s.Consumer, log: s.Log,
		about:  []any{"stream", s.Stream, "consumer", s.Consumer},
		record: leaseRecord{Owner: rand.Text(), Instance: s.Instance},
		work:   make(chan struct{}, 1),
		store:  s.State, stateName: s.stateName(), turned: make(chan struct{}),
	}
}

// write stores the record on top of a revision, 0 for none.
func (e *lease) write(ctx context.Context, revision uint64) (uint64, error) {
	e.mu.Lock()
	text, err := json.Marshal(e.record)
	e.mu.Unlock()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, leaseAnswer)
	defer cancel()
	if revision == 0 {
		return e.kv.Create(ctx, e.key, text)
	}
	return e.kv.Update(ctx, e.key, text, revision)
}

// renewAlways renews the lease until it is lost or ctx ends.
func (e *lease) renewAlways(ctx context.Context) {
	work := e.work
	if e.store != nil {
		work = nil // a renewal carries no position
	}
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-work:
		case <-ctx.Done():
			return
		}
		if !e.renew(ctx) {
			return
		}
		if retry.Sleep(ctx, saveEvery) != nil {
			return
		}
	}
}

// renew writes the entry again. It returns false when the lease is lost.
func (e *lease) renew(ctx context.Context) bool {
	e.mu.Lock()
	revision, number := e.revision, e.unsaved
	e.mu.Unlock()
	sent := time.Now()
	stored, err := e.write(ctx, revision)
	if err != nil && ctx.Err() == nil {
		stored, err = e.findOwnWrite(ctx, revision, err)
	}
	e.mu.Lock()
	switch {
	case err == nil:
		// Stored on top of our own revision: nobody else has had it, even if
		// this came late.
		e.revision, e.until, e.confirmed = stored, sent.Add(ownerTime), sent
		if e.store == nil {
			e.saved = number
		}
	case errors.Is(err, errLease) || time.Now().After(e.until):
		e.lost = true
	}
	lost := e.lost
	close(e.turned)
	e.turned = make(chan struct{})
	e.mu.Unlock()
	if lost {
		err = e.conn.explainBucket(e.kv.Bucket(), sent, err)
		e.log.Warn("nats lease lost", append(e.about, "error", err)...)
	}
	e.tellChange()
	return !lost
}

// tellChange calls the function of setChanged.
func (e *lease) tellChange() {
	e.mu.Lock()
	changed := e.changed
	e.mu.Unlock()
	if changed != nil {
		changed()
	}
}

// findOwnWrite finds out how a write ended of which no answer came: it may be
// stored. Its error is errLease if somebody else has written.
func (e *lease) findOwnWrite(ctx context.Context, revision uint64, cause error) (uint64, error) {
	got, err := e.look(ctx)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return 0, errLease // deleted: nobody's, until it is taken again
	case err != nil:
		return 0, cause
	case got.Revision() == revision:
		return 0, cause
	case parseLease(got.Value()).Owner != e.record.Owner:
		return 0, errLease
	}
	// Which of our writes it is does not matter for the lease; it is written
	// again for the position.
	e.mu.Lock()
	e.revision = got.Revision()
	e.mu.Unlock()
	return 0, cause
}

// checkOwner returns an error that matches pipeline.ErrLost unless this process
// is the owner now.
func (e *lease) checkOwner() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lost || time.Now().After(e.until) {
		return fmt.Errorf("%w: %w", pipeline.ErrLost, errLease)
	}
	return nil
}

// setChanged sets the function to call after each renewal.
func (e *lease) setChanged(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changed = f
}

// release gives the lease to the next process at once, with the last position.
func (e *lease) release() {
	if e.stop == nil {
		return
	}
	e.stop()
	e.loops.Wait()
	if e.checkOwner() != nil {
		return
	}
	e.mu.Lock()
	e.record.Released = true
	revision, owes := e.revision, e.store != nil && e.saved < e.unsaved
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if owes {
		if err := e.saveElsewhere(ctx); err != nil {
			e.log.Warn("the state of the replay check is not stored; the next run begins with the one before",
				append(e.about, "state", e.store.String(), "error", err)...)
		}
	}
	_, err := e.write(ctx, revision)
	if isOvertaken(err) {
		// A renewal that stop has cut short may be stored.
		if _, cause := e.findOwnWrite(ctx, revision, err); !errors.Is(cause, errLease) {
			e.mu.Lock()
			revision = e.revision
			e.mu.Unlock()
			_, err = e.write(ctx, revision)
		}
	}
	if err != nil {
		e.log.Warn("nats lease not released; the next owner has to wait for its end", append(e.about, "error", err)...)
	}
}

// drop forgets a lease that was lost.
func (e *lease) drop() {
	if e.stop != nil {
		e.stop()
		e.loops.Wait()
		e.stop = nil
	}
}
