package kafka

import (
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// sharedAnswer is an answer whose memory several batches use.
type sharedAnswer struct {
	answer *wire.FetchResponse
	users  atomic.Int32
}

func (f *sharedAnswer) dropUser() {
	if f.users.Add(-1) == 0 {
		f.answer.Release()
	}
}

// lent is a recycled batch.
type lent struct {
	batch   pipeline.Batch
	records batch.Records
	from    *sharedAnswer
}

// takeBatch returns a batch to fill.
func (in *fetcher) takeBatch() *lent {
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
		in.putBatch(b)
		from.dropUser()
		in.lent.Add(-1)
	}
	return b
}

// putBatch takes a batch back.
func (in *fetcher) putBatch(b *lent) {
	b.records.Reset()
	b.from = nil
	b.batch.Messages, b.batch.Starts, b.batch.Ends = nil, b.batch.Starts[:0], b.batch.Ends[:0]
	in.mu.Lock()
	defer in.mu.Unlock()
	in.free = append(in.free, b)
}
