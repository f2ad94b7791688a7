package kafka

import (
	"context"
	"errors"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// maxRequest is the number of bytes of record batches in one round of requests,
// and so the memory of a writer. A single message may be larger.
const maxRequest = 4 << 20

// writer writes the messages of one lane. It implements pipeline.Writer.
type writer struct {
	sink        *Sink
	failure     *failure // of the lane of a Source of ours; nil for others
	producer    *producer
	transaction *transaction // nil outside transactions
	positions   bool         // the lane's positions go with these messages
	outlets     outletTable
	compressor  *batch.Compressor
	appender    batch.Appender
	sender      sender
	refusals    pipeline.RefusalSet

	// Of one Write. The messages of a partition are a list: a chain has its
	// ends, follows the links.
	order   []*chain // in order of first appearance
	follows []int32
	out     []byte // the batches of one round
	joining []target
	parcels []parcel
}

// chain is the messages of one partition, as indexes.
type chain struct {
	outlet      *outlet
	partition   int32
	first, last int32 // first is the next to be written; -1 if there is none
}

// parcel is one batch of a round.
type parcel struct {
	outlet    *outlet
	partition int32
	first     int32 // of its messages; follows links the others
	count     int
	start     int // in writer.out
	batch     []byte

	unknown bool    // a try that failed may have stored it
	refused error   // for its records; nothing of it is stored
	named   []int32 // the records at fault, if the broker says which
}

// Write implements pipeline.Writer.
func (w *writer) Write(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	if w.failure != nil {
		bound, stop := w.failure.bind(ctx)
		defer stop()
		ctx = bound
		if err := w.failure.reason(); err != nil {
			return err // a lane without partitions writes nothing more
		}
	}
	if err := w.openOutlets(ctx, msgs); err != nil {
		return markPassing(w.endWith(ctx, err))
	}
	err := w.writeStep(ctx, msgs, done)
	if _, refused := errors.AsType[*pipeline.Refused](err); err == nil || refused {
		return err
	}
	return markPassing(err)
}

// endWith returns the error of a write that has not begun. A transaction that
// is open is aborted.
func (w *writer) endWith(ctx context.Context, err error) error {
	if w.transaction == nil {
		return err
	}
	if err := w.transaction.takeToken(ctx); err != nil {
		return err
	}
	defer w.transaction.passToken()
	return w.transaction.abortFor(ctx, err)
}

// writeStep writes messages, and in a transaction the position.
func (w *writer) writeStep(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	if w.transaction == nil {
		if err := w.writeBatches(ctx, msgs); err != nil {
			return err
		}
		return w.refusals.Result(false)
	}
	if err := w.transaction.takeToken(ctx); err != nil {
		return err
	}
	defer w.transaction.passToken()
	if len(msgs) > 0 {
		if err := w.transaction.openIfNeeded(ctx); err != nil { // first, since batches carry the producer's epoch
			return err
		}
		if err := w.writeBatches(ctx, msgs); err != nil {
			return w.transaction.abortFor(ctx, err)
		}
		if refused := w.refusals.Result(true); refused != nil {
			if err := w.transaction.noteWrite(ctx, nil); err != nil { // the position follows
				return err
			}
			return refused
		}
	}
	switch {
	case w.positions:
		return w.transaction.noteWrite(ctx, done)
	case len(msgs) > 0:
		return w.transaction.noteWrite(ctx, nil) // the position comes with the messages
	}
	return nil
}

// Close implements pipeline.Writer.
func (w *writer) Close(ctx context.Context) error {
	if !w.positions {
		return nil
	}
	return markPassing(w.transaction.close(ctx))
}

// writeBatches writes messages: one batch per partition, or several if the
// topic does not take that large a batch.
func (w *writer) writeBatches(ctx context.Context, msgs []pipeline.Message) error {
	w.refusals.Reset()
	if len(msgs) == 0 {
		return nil
	}
	w.sortByPartition(ctx, msgs)
	for len(w.order) > 0 {
		if err := w.writeRound(ctx, msgs); err != nil {
			w.out = nil // an exchange that was left may still read it
			return err
		}
	}
	return nil
}

// writeRound writes one round, and then, one after the other, the good messages
// of the batches in it that were refused.
func (w *writer) writeRound(ctx context.Context, msgs []pipeline.Message) error {
	if err := w.packRound(msgs); err != nil {
		return err
	}
	if len(w.parcels) == 0 {
		return nil
	}
	if err := w.sendRound(ctx); err != nil {
		return err
	}
	refused := w.takeRefused()
	for i := range refused {
		if err := w.splitBatch(ctx, msgs, &refused[i]); err != nil {
			return err
		}
	}
	return nil
}

// sortByPartition deals the messages out to partitions, but for those that
// their topic cannot take.
func (w *writer) sortByPartition(ctx context.Context, msgs []pipeline.Message) {
	w.resetChains()
	var recent *chain
	looked := false
	for i := range msgs {
		w.follows = append(w.follows, -1)
		place := msgs[i].Origin.Place
		if w.refusals.LeaveBehind(i, place) {
			continue
		}
		out := w.findOutlet(place)
		if out.err != nil {
			w.refusals.Refuse(i, place, pipeline.Passing(out.err)) // it may be made, or mended
			continue
		}
		if err := out.to.check(&msgs[i], len(msgs[i].Value)); err != nil {
			w.refusals.Refuse(i, place, err)
			continue
		}
		p, err := out.choosePartition(&msgs[i])
		if err != nil && !looked {
			looked = true
			out.lookForMore(ctx)
			p, err = out.choosePartition(&msgs[i])
		}
		if err != nil {
			w.refusals.Refuse(i, place, pipeline.Passing(err)) // more may be added
			continue
		}
		if recent == nil || recent.partition != p || recent.outlet != out { // neighbours are mostly of one partition
			recent = out.chainFor(p)
		}
		if recent.first < 0 {
			recent.first = int32(i)
			w.order = append(w.order, recent)
		} else {
			w.follows[recent.last] = int32(i)
		}
		recent.last = int32(i)
	}
}

// lookForMore finds out whether the topic has more partitions than it had.
func (out *outlet) lookForMore(ctx context.Context) {
	_ = out.to.Refresh(ctx) // without an answer there are as many as there were
	out.partitions = max(out.partitions, out.to.PartitionCount())
}

func (w *writer) resetChains() {
	for _, c := range w.order {
		c.first = -1
	}
	w.order, w.follows = w.order[:0], w.follows[:0]
}

func (out *outlet) chainFor(p int32) *chain {
	c := out.chains[p]
	if c == nil {
		c = &chain{outlet: out, partition: p, first: -1}
		out.chains[p] = c
	}
	return c
}

// packRound makes the batches of one round: at most one per partition, none
// larger than the topic takes, and together about maxRequest. Empty chains
// leave the order.
func (w *writer) packRound(msgs []pipeline.Message) error {
	w.out, w.parcels = w.out[:0], w.parcels[:0]
	left := w.order[:0]
	for _, c := range w.order {
		if len(w.out) < maxRequest {
			if err := w.packChain(msgs, c); err != nil {
				return err
			}
		}
		if c.first >= 0 {
			left = append(left, c)
		}
	}
	w.order = left
	for i := range w.parcels { // only now does out stay where it is
		end := len(w.out)
		if i+1 < len(w.parcels) {
			end = w.parcels[i+1].start
		}
		w.parcels[i].batch = w.out[w.parcels[i].start:end:end]
	}
	return nil
}

// packChain makes one batch of the messages that come next in a partition.
func (w *writer) packChain(msgs []pipeline.Message, c *chain) error {
	start, first, last := len(w.out), int32(-1), int32(-1)
	w.appender.Begin(w.out)
	for c.first >= 0 {
		m, next := &msgs[c.first], w.follows[c.first]
		if w.refusals.LeaveBehind(int(c.first), m.Origin.Place) {
			c.first = next
			continue
		}
		size := w.appender.Len() + w.appender.Size(m)
		if w.appender.Count() > 0 && (size > c.outlet.to.maxBatch || start+size > maxRequest) {
			break
		}
		w.appender.Append(m)
		if last >= 0 {
			w.follows[last] = c.first // there may have been others between
		} else {
			first = c.first
		}
		last, c.first = c.first, next
	}
	if first < 0 {
		return nil
	}
	return w.finishParcel(c.outlet, c.partition, first, start)
}

// finishParcel makes a parcel of the messages in the appender, the first of
// which is given. It begins at start in out.
func (w *writer) finishParcel(out *outlet, partition, first int32, start int) error {
	count := w.appender.Count()
	sequence := w.producer.nextSequences(out.to.Name(), out.partitions)[partition]
	set, err := w.appender.Finish(w.producer.stampBatch(sequence), w.compressor)
	if err != nil {
		return err
	}
	w.out = set
	w.parcels = append(w.parcels, parcel{outlet: out, partition: partition, first: first, count: count, start: start})
	return nil
}

// sendRound sends one round and moves the sequence numbers on.
func (w *writer) sendRound(ctx context.Context) error {
	if w.transaction != nil {
		w.joining = w.joining[:0]
		for i := range w.parcels {
			w.joining = append(w.joining, target{w.parcels[i].outlet.to.Name(), w.parcels[i].partition})
		}
		if err := w.transaction.joinPartitions(ctx, w.joining); err != nil {
			return err
		}
	}
	w.sender.adding = w.producer.implicit
	if err := w.sender.sendAll(ctx, w.sink, w.producer.name, w.parcels); err != nil {
		return asLost(ctx, err)
	}
	if w.sink.Observer != nil {
		w.sink.Observer.ProduceBytes(len(w.out))
	}
	for i := range w.parcels {
		p := &w.parcels[i]
		if p.refused != nil {
			continue
		}
		sequences := w.producer.nextSequences(p.outlet.to.Name(), p.outlet.partitions)
		sequences[p.partition] = batch.NextSequence(sequences[p.partition], p.count)
	}
	return nil
}
