package kafka

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// partition is one partition that a lane reads. It belongs to the lane's reader.
type partition struct {
	number int32
	index  int // in intake.parts
	place  string
	next   int64 // where the next fetch begins
	end    int64 // where a bounded run ends; -1 if never
	parked bool
	stop   int64             // where it is parked
	trial  bool              // one message is to be read behind stop
	from   pipeline.Position // where that one is
	status *status

	reader    batch.Reader
	committed batch.Committed
	within    bool // the reader is in a batch that is to be read
	alone     bool // in the request: a whole batch is due
	got       bool // a whole batch
	largest   int  // batch of the last answer, in bytes, the one included that its end cut short

	fault   error // why nothing was fetched that could be read
	spoiled int   // answers in a row whose checksum was wrong

	replica      int32 // to be read instead of the leader until replicaUntil; -1 if none
	replicaUntil time.Time
}

// limit is where reading stops: at the end of a bounded run, or where the
// partition is parked.
func (p *partition) limit() int64 {
	limit := int64(math.MaxInt64)
	if p.parked && !p.trial {
		limit = p.stop
	}
	if p.end >= 0 {
		limit = min(limit, p.end)
	}
	return limit
}

// finished tells whether nothing more is to be read.
func (p *partition) finished() bool { return p.next >= p.limit() }

// broker is whom to ask; -1 if nobody leads.
func (p *partition) broker(t *cluster.Topic) int32 {
	if p.replica >= 0 && time.Now().Before(p.replicaUntil) {
		return p.replica
	}
	return t.Leader(p.number).Broker
}

// take appends the messages that were fetched to records, until there are none
// left or records is full.
func (p *partition) take(records *batch.Records, limit int) (full bool) {
	if p.fault != nil {
		p.addFault(records, p.next, p.fault)
		p.fault, p.got = nil, true
		return false
	}
	for !p.finished() {
		from := len(records.Messages)
		more, left := p.takeSome(records, limit)
		if p.trial && len(records.Messages) > from {
			p.cutTrial(records, from)
			return false
		}
		if more || !left {
			return more && !p.finished()
		}
	}
	return false
}

// takeSome takes a step: to the next batch, or through the one at hand. It
// reports whether records was full before the end of that one, and whether
// another step can follow.
func (p *partition) takeSome(records *batch.Records, limit int) (full, left bool) {
	if !p.within {
		info, err := p.reader.Next()
		p.moved()
		switch {
		case err == io.EOF:
			p.noteCut(records)
			return false, false
		case err != nil:
			return false, p.unreadable(records, err)
		}
		p.got, p.spoiled = true, 0
		p.largest = max(p.largest, info.Size)
		p.within = p.committed.Admits(info)
		return false, true
	}
	from := len(records.Messages)
	more, err := p.reader.Read(records, limit)
	p.cut(records, from)
	p.moved()
	if err != nil {
		p.within = false
		return false, p.unreadable(records, err)
	}
	p.within = more && !p.finished()
	return p.within, true
}

// moved notes how far the reader is.
func (p *partition) moved() {
	p.next = min(max(p.next, p.reader.Offset()), p.limit())
}

// cut drops messages behind the limit.
func (p *partition) cut(records *batch.Records, from int) {
	n, limit := len(records.Messages), p.limit()
	for n > from && records.Messages[n-1].Origin.Offset >= limit {
		n--
	}
	clear(records.Messages[n:])
	records.Messages = records.Messages[:n]
}

// cutTrial drops all messages but the one with which the partition is tried. It
// is read no further until that one has passed.
func (p *partition) cutTrial(records *batch.Records, from int) {
	clear(records.Messages[from+1:])
	records.Messages = records.Messages[:from+1]
	p.next = records.Messages[from].Origin.Offset + 1
	if reject, ok := errors.AsType[*pipeline.Reject](records.Messages[from].Fault); ok {
		p.next = max(p.next, reject.Through+1)
	}
}

// targetBytes is how much of one partition a fetch asks for at most: with the envelopes it makes one batch that is
// below the usual max.message.bytes of 1 MiB, unless records are small.
const targetBytes = 768 << 10

// maxCut is more than the size of any batch that is worth asking for, in bytes: no checksum covers the size in the
// header of one that was cut short.
const maxCut = 128 << 20

// want is how many bytes to ask for when limit are for all partitions: as many whole batches like those of the last
// answer as fit, since what a broker cuts short is fetched again, and one of any size. maxBatch is the largest there can
// be; 0 if it is unknown.
//
// A partition whose batches have outgrown the last answer may get none of them, and then has the next one made for it.
func (p *partition) want(limit, maxBatch int) int {
	target := min(targetBytes, limit)
	switch {
	case p.largest == 0:
		return max(maxBatch, target)
	case p.largest >= target && maxBatch > 0:
		return min(p.largest, max(maxBatch, target))
	case p.largest >= target:
		return p.largest
	}
	return target / p.largest * p.largest
}

// begin goes on with an answer to a request for this partition, alone or with others.
func (p *partition) begin(a *wire.FetchedPartition, alone bool) {
	p.reader.Reset(p.place, a.Records, p.next)
	p.committed.Reset(a.Aborted)
	p.within, p.alone, p.got, p.largest = false, alone, false, 0
}

// noteCut notes how large the batch is that the answer's end cut short. A request
// for one partition has a right to a whole one.
func (p *partition) noteCut(records *batch.Records) {
	p.largest = max(p.largest, min(p.reader.Cut(), maxCut))
	if p.alone && !p.got {
		p.addFault(records, p.next, fmt.Errorf("%w: it is cut short", batch.ErrMalformed))
	}
}
