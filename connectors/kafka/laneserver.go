package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// laneServer serves partitions as one lane after the other: for a member the
// partitions that it has at that time, and for a bounded run always the same.
type laneServer struct {
	source   *Source
	number   int
	owner    *owner
	serve    serveFunc
	producer *producer // of the lane's transactions; nil before
	held     *pipeline.Assignment
	began    bool // a lane was opened

	mu      sync.Mutex
	parts   map[int32]heldPartition
	turns   uint64        // how many partitions have come
	serving *lane         // nil between two servings
	changed chan struct{} // closed when parts has changed
	joins   sync.WaitGroup
}

// heldPartition is a partition that is ours.
type heldPartition struct {
	number int32 // its slot: see topicSet
	fresh  bool  // see membership.Assigned
	// turn tells this time that the partition is ours from an earlier one; 0 if
	// it was there from the beginning. Another member may have moved the
	// committed offset between the two.
	turn uint64
}

func newLaneServer(s *Source, number int, o *owner, partitions []int32, serve serveFunc) *laneServer {
	h := &laneServer{
		source: s, number: number, owner: o, serve: serve, parts: make(map[int32]heldPartition),
		changed: make(chan struct{}), held: pipeline.NewAssignment(),
	}
	for _, p := range partitions {
		h.parts[p] = heldPartition{number: p, fresh: true}
		h.held.Add(s.topics.placeOf(p))
	}
	return h
}

// serveLanes serves the lane until ctx is done, or the bounded run has ended.
func (h *laneServer) serveLanes(ctx context.Context) error {
	err := h.held.Hold(ctx, h.source.Until.Bounded(), h.serveOnce)
	h.joins.Wait()
	if ctx.Err() != nil {
		return h.endError(err)
	}
	return err
}

// endError returns the error to report after a lane was told to end.
func (h *laneServer) endError(err error) error {
	if !h.source.Until.Bounded() || errors.Is(err, pipeline.ErrLost) || errors.Is(err, context.Canceled) {
		return nil // messages that are not committed are read again
	}
	return err
}

// serveOnce serves one lane. A lane that cannot be opened is served as one that
// cannot be read, so that the pipeline hears of it.
func (h *laneServer) serveOnce(ctx context.Context) (err error) {
	lease, err := h.awaitWork(ctx)
	if err != nil {
		return err
	}
	l := newLane(h.source, h.owner, h.held)
	defer context.AfterFunc(lease, func() {
		l.failure.set(fmt.Errorf("%w: %w", pipeline.ErrLost, context.Cause(lease)))
	})()
	err = h.openLane(ctx, l)
	if err != nil && ctx.Err() != nil {
		_, err = h.closeLane(l)
		return err
	}
	if err != nil {
		l.failure.set(err)
	}
	if o := h.source.Observer; o != nil {
		ended := o.ServeLane(l.reportPlaces)
		defer func() { ended(err) }()
	}
	err = h.serve(ctx, l)
	moved, closing := h.closeLane(l)
	if moved {
		h.held.NoteMoved()
	}
	if closing == nil {
		return err
	}
	h.source.Log.Warn("kafka: offsets were not committed", "topics", h.source.Topic, "error", closing)
	if err == nil || errors.Is(closing, pipeline.ErrLost) {
		return errors.Join(closing, err)
	}
	return err
}

// awaitWork waits until there is a partition to read and the lease to do so.
func (h *laneServer) awaitWork(ctx context.Context) (lease context.Context, err error) {
	for {
		h.mu.Lock()
		idle, changed := len(h.parts) == 0, h.changed
		h.mu.Unlock()
		if !idle {
			return h.owner.awaitLease(ctx)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (h *laneServer) closeLane(l *lane) (moved bool, err error) {
	h.mu.Lock()
	h.serving = nil
	h.mu.Unlock()
	return l.close()
}

// openLane finds the positions where a lane begins. With transactions it first
// ends the transaction that the lane's last owner left open, since that may
// still move the committed offsets.
func (h *laneServer) openLane(ctx context.Context, l *lane) error {
	ctx, stop := l.failure.bind(ctx)
	defer stop()
	s := h.source
	if s.sink != nil {
		if err := h.beginProducer(ctx); err != nil {
			return asLost(ctx, err)
		}
	}
	h.mu.Lock()
	parts := maps.Clone(h.parts)
	h.mu.Unlock()
	if s.names.MayBeSeveral() {
		_ = s.topics.Refresh(ctx)
	}
	l.wanted, l.opened = len(parts), time.Now()
	// Partitions of a topic that is missing join once it is there again.
	maps.DeleteFunc(parts, func(number int32, _ heldPartition) bool { return s.topics.isMissing(number) })
	numbers := slices.Sorted(maps.Keys(parts))
	positions, known, err := s.findPositions(ctx, h.owner, numbers, func(p int32) bool { return parts[p].fresh })
	if err != nil {
		return asLost(ctx, err)
	}
	l.beginAt(numbers, positions, known)
	switch {
	case s.sink != nil:
		l.transaction = &transaction{
			producer: h.producer, owner: h.owner, epochs: &l.fetcher.epochs, length: s.timing.transaction,
			waiting: l.hasMore, broken: l.failure.set, lost: l.failure.reason, settled: l.noteDurable,
			observer: s.sink.Observer,
		}
		if h.owner.member == nil {
			l.transaction.confirm = s.confirmUnused
		}
		l.transaction.startLoop()
	case h.owner.group() != "":
		l.committer = &committer{
			commit: s.cluster.CommitOffsets, owner: h.owner, epochs: &l.fetcher.epochs,
			broken: l.failure.set, settled: l.noteDurable,
		}
		l.committer.start()
	}
	h.present(l, parts)
	return nil
}

// present makes a lane the one that partitions join and leave. Those that have
// come or gone since it was opened do so now.
func (h *laneServer) present(l *lane, opened map[int32]heldPartition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serving = l
	var came []heldPartition
	for number, p := range h.parts {
		if _, ok := opened[number]; !ok {
			came = append(came, p)
		}
	}
	for number, before := range opened {
		switch now, ours := h.parts[number]; {
		case !ours:
			l.leave(number)
		case now != before:
			l.failure.set(fmt.Errorf("%w: a partition was another's meanwhile", pipeline.ErrLost))
		}
	}
	h.join(l, came)
}

// beginProducer makes the producer ready for a new lane.
func (h *laneServer) beginProducer(ctx context.Context) error {
	again := h.began
	h.began = true
	if s := h.source; h.producer == nil {
		h.producer = newProducer(s.sink.cluster, s.laneTransactionalID(h.number), s.timing.timeout)
		return h.producer.initID(ctx, true)
	}
	if !again && h.producer.id >= 0 {
		return nil
	}
	if err := h.owner.confirm(ctx); err != nil {
		return err
	}
	return h.producer.initID(ctx, h.owner.isMember() || h.producer.id < 0)
}

// addPartitions takes up partitions.
func (h *laneServer) addPartitions(parts []heldPartition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range parts {
		h.turns++
		parts[i].turn = h.turns
	}
	for _, p := range parts {
		h.parts[p.number] = p
		h.held.Add(h.source.topics.placeOf(p.number))
	}
	h.noteChange()
	h.source.held.Add(int32(len(parts)))
	if h.serving != nil {
		h.join(h.serving, parts)
	}
}

// noteChange wakes awaitWork. h.mu is held.
func (h *laneServer) noteChange() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// join has partitions join the lane that is being served, as soon as it is
// known where they begin. Meanwhile the others go on. h.mu is held.
func (h *laneServer) join(l *lane, parts []heldPartition) {
	if len(parts) == 0 {
		return
	}
	h.joins.Go(func() {
		ctx, stop := l.failure.bind(context.Background())
		defer stop()
		for waits := cluster.Pauses.Begin(); ; {
			ready, missing := h.sortJoining(ctx, l, parts)
			if err := h.joinReady(ctx, l, ready); err != nil {
				l.failure.set(asLost(ctx, err)) // no effect if the lane has ended
				return
			}
			if parts = missing; len(parts) == 0 || waits.Wait(ctx) != nil {
				return
			}
		}
	})
}

// sortJoining returns the partitions that can join, and those of topics that
// are missing. Those that are not ours any more, or left and have come back,
// are neither.
func (h *laneServer) sortJoining(ctx context.Context, l *lane, parts []heldPartition) (ready,
	missing []heldPartition) {
	h.source.awaitLeaders(ctx, slotsOf(parts))
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range parts {
		switch now, ours := h.parts[p.number]; {
		case !ours || now != p || h.serving != l:
		case h.source.topics.isMissing(p.number):
			missing = append(missing, p)
		default:
			ready = append(ready, p)
		}
	}
	return ready, missing
}

func slotsOf(parts []heldPartition) []int32 {
	numbers := make([]int32, len(parts))
	for i, p := range parts {
		numbers[i] = p.number
	}
	return numbers
}

// joinReady has partitions join the lane where they begin.
func (h *laneServer) joinReady(ctx context.Context, l *lane, parts []heldPartition) error {
	if len(parts) == 0 {
		return nil
	}
	numbers, fresh := slotsOf(parts), make(map[int32]bool, len(parts))
	for _, p := range parts {
		fresh[p.number] = p.fresh
	}
	h.source.topics.learnLimits(ctx, numbers)
	h.source.openAhead(ctx, numbers)
	positions, known, err := h.source.findPositions(ctx, h.owner, numbers, func(p int32) bool { return fresh[p] })
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, p := range parts {
		if now, ours := h.parts[p.number]; ours && now == p && h.serving == l {
			l.join(p.number, positions[i], known[i])
		}
	}
	return nil
}

// releasePartitions gives up partitions after everything that was read of them
// has been committed. When ctx ends first, the lane ends without them, and what
// it has not committed does not count.
func (h *laneServer) releasePartitions(ctx context.Context, numbers []int32) {
	h.mu.Lock()
	l := h.serving
	h.mu.Unlock()
	if l != nil {
		for _, number := range numbers {
			l.leave(number)
		}
		if err := l.awaitGone(ctx, numbers); err != nil {
			l.failure.set(fmt.Errorf("%w: partitions were to be given up: %w", pipeline.ErrLost, err))
			<-l.closed
		}
	}
	h.forgetPartitions(numbers)
}

// dropPartitions gives up partitions at once: the lane ends, and what it has
// not committed does not count.
func (h *laneServer) dropPartitions(numbers []int32) {
	h.mu.Lock()
	l := h.serving
	h.mu.Unlock()
	if l != nil {
		l.failure.set(fmt.Errorf("%w: partitions are another's", pipeline.ErrLost))
	}
	h.forgetPartitions(numbers)
}

func (h *laneServer) forgetPartitions(numbers []int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, number := range numbers {
		if _, ok := h.parts[number]; !ok {
			continue
		}
		delete(h.parts, number)
		h.held.Remove(h.source.topics.placeOf(number))
		h.source.held.Add(-1)
	}
	h.noteChange()
}
