package nats

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Atomic batches (nats-architecture-and-design, ADR-50). The messages of a
// batch have its id and their number in it; the last one commits. The server
// stores all of them, one behind the other, or none: with a message that is
// missing, refused or a duplicate it drops the batch. So a batch that failed is
// published message by message, and then the server says which one is at fault.
//
// An answer that was lost does no harm: the messages have their ids, and a
// second batch with them is refused as a duplicate.
const (
	batchIDHeader     = "Nats-Batch-Id"
	batchNumberHeader = "Nats-Batch-Sequence"
	batchCommitHeader = "Nats-Batch-Commit"
	// batchHeaderBytes is more than these take.
	batchHeaderBytes = 128
)

// errBatchAnswer is the cause of another try: the server has committed another
// batch than the one that was published.
var errBatchAnswer = errors.New("the stream acknowledged another batch")

// inBatches tells whether messages are to be published in atomic batches now.
func (w *writer) inBatches() bool {
	return !w.perMessage && w.sink.canBatch() && (w.sink.batches.Load() || w.isFenced())
}

// cutBatch returns the first messages of todo, which are published as one
// batch: one at least.
func (w *writer) cutBatch(msgs []pipeline.Message, todo []int) []int {
	most := min(int(w.sink.batchSize.Load()), w.sink.InFlight)
	size := 0
	for n, i := range todo {
		m := &msgs[i]
		size += messageBytes(m)
		switch {
		case n == 0:
		case n >= most, size > w.sink.InFlightBytes, w.refusals.IsBehind(i, m.Origin.Place), w.sink.needsParts(m):
			return todo[:n]
		case !w.fitsBatch(m):
			return todo[:n]
		case w.sink.stream.Config.AllowRollup && rollupOf(m) != "":
			// A rollup is the first message of a batch, or the server may
			// refuse it.
			return todo[:n]
		}
	}
	return todo
}

// fitsBatch tells whether the headers of a batch leave enough room for m.
func (w *writer) fitsBatch(m *pipeline.Message) bool {
	return messageBytes(m)+batchHeaderBytes+w.sink.fenceBytes() <= w.sink.Limit()
}

// publishBatch publishes messages as one batch, and returns how many it has
// dealt with: all or none. Its error is final.
func (w *writer) publishBatch(ctx context.Context, msgs []pipeline.Message, group []int) (int, error) {
	if err := w.raiseFence(ctx); err != nil || w.cause != nil {
		return 0, err
	}
	last, err := w.commitBatch(ctx, len(group), groupBytes(msgs, group), func(n int) *natsgo.Msg {
		return w.newMessage(&msgs[group[n]], group[n])
	})
	if err != nil {
		return 0, w.noteBatchCause(ctx, err, len(group))
	}
	for n, i := range group {
		w.stored[i] = last - uint64(len(group)-1-n)
	}
	return len(group), nil
}

// noteBatchCause decides how the messages of a batch of a size are published
// that was not committed. Its error is final.
func (w *writer) noteBatchCause(ctx context.Context, err error, size int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := w.fence.explain(err); errors.Is(err, errFence) {
		w.cause = err
		return nil
	}
	if w.sink.noteBatchError(err, size) {
		var api *jetstream.APIError
		if !errors.As(err, &api) {
			w.cause = err // the server is away
		}
		return nil
	}
	w.perMessage = true
	return nil
}

// commitBatch publishes the messages that make returns for 0 to count-1, of
// size bytes together, as one batch. It returns the sequence of the last one.
func (w *writer) commitBatch(ctx context.Context, count, size int, make func(n int) *natsgo.Msg) (uint64, error) {
	if err := w.takeBatchRoom(ctx, count, size); err != nil {
		return 0, err
	}
	defer w.sink.inFlight.giveRoomOf(count, size)
	id := rand.Text()
	var first, commit question
	for n := range count {
		msg := make(n)
		msg.Header[batchIDHeader] = []string{id}
		msg.Header[batchNumberHeader] = []string{strconv.Itoa(n + 1)}
		if n == 0 {
			w.fence.addTo(msg.Header)
		}
		var err error
		switch n {
		case count - 1:
			msg.Header[batchCommitHeader] = []string{"1"}
			commit, err = w.sendQuestion(msg)
		case 0:
			// The cause of a refusal is in its answer. The commit's only
			// says that the batch is cut.
			first, err = w.sendQuestion(msg)
		default:
			err = w.sink.conn.nc.PublishMsg(msg)
		}
		if err != nil {
			w.answers.forgetAll()
			return 0, err
		}
	}
	is, err := w.answers.awaitAnswer(ctx, commit)
	if err == nil {
		err = is.err
	}
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == errBatchCut && count > 1 {
		if cause := w.answers.look(first.number).err; cause != nil {
			err = cause
		}
	}
	w.answers.forgetAll()
	if err == nil {
		err = w.checkBatchAck(is, id, count)
	}
	if err != nil {
		return 0, err
	}
	w.fence.pass(is.ack.sequence)
	return is.ack.sequence, nil
}

// checkBatchAck returns an error unless an answer is that to a batch of count
// messages, all of which are stored.
func (w *writer) checkBatchAck(is answer, id string, count int) error {
	switch ack := is.ack; {
	case is.persisted:
		return errBatchAnswer
	case ack.stream != w.sink.Stream:
		return fmt.Errorf("stream %s has taken a batch that was meant for %s", ack.stream, w.sink.Stream)
	case ack.batch != id, ack.count != uint64(count), ack.duplicate, ack.sequence < uint64(count):
		return errBatchAnswer
	}
	return nil
}

// takeBatchRoom waits for room for a batch. The writer has nothing on its way,
// so it holds none.
func (w *writer) takeBatchRoom(ctx context.Context, count, size int) error {
	for {
		ok, freed := w.sink.inFlight.takeRoomFor(count, size)
		if ok {
			return nil
		}
		if err := w.sink.inFlight.awaitRoom(ctx, freed); err != nil {
			return err
		}
	}
}
