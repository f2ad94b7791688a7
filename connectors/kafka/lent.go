package kafka

import (
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// fetched is an answer that several batches lean on.
type fetched struct {
	answer *wire.FetchResponse
	users  atomic.Int32
}

func (f *fetched) release() {
	if f.users.Add(-1) == 0 {
		f.answer.Release()
	}
}

// lent is a recycled batch.
type lent struct {
	batch   pipeline.Batch
	records batch.Records
	from    *fetched
}

// get returns a batch to fill.
func (in *intake) get() *lent {
	in.mu.Lock()
	defer in.mu.Unlock()
	if n := len(in.free); n > 0 {
		b := in.free[n-1]
		in.free = in.free[:n-1]
		return b
	}
	b := new(lent)
	b.batch.Release = func() {
		from := b.from
		in.put(b)
		from.release()
		in.lent.Add(-1)
	}
	return b
}

// put takes a batch back.
func (in *intake) put(b *lent) {
	b.records.Reset()
	b.from = nil
	b.batch.Messages, b.batch.Starts, b.batch.Ends = nil, b.batch.Starts[:0], b.batch.Ends[:0]
	in.mu.Lock()
	defer in.mu.Unlock()
	in.free = append(in.free, b)
}
