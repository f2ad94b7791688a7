package kafka

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// partition is one partition that a lane reads. It belongs to the lane's
// reader.
type partition struct {
	slot   int32 // see topicSet
	topic  *sourceTopic
	number int32 // in the topic
	index  int   // in fetcher.parts
	place  string
	next   int64              // where the next fetch begins
	handed int64              // where the last batch of it that was handed out has ended
	starts *pipeline.Position // it has yet to begin in the lane, which is being served
	stopAt int64              // where a bounded run ends; -1 if never
	parked bool
	stop   int64             // where it is parked
	trial  bool              // one message is to be read from there
	from   pipeline.Position // and where that begins
	status *partitionProgress

	reader    batch.Reader
	committed batch.Committed
	within    bool // the reader is in a batch that is to be read
	alone     bool // in the request: a whole batch is due
	got       bool // a whole batch
	largest   int  // batch of the last answer, in bytes, the one included that its end cut short

	announced bool // see SourceOptions.Announce
	// compressed says that a batch was, see SourceOptions.NoteCompressed.
	compressed bool
	skip       int64      // reading goes on there if that is behind next
	behind     behindOpen // has records that are not stable
	checked    int32      // the leader epoch whose log is known to have what was read
	epochs     *epochs

	fault   error // why nothing was fetched that could be read
	spoiled int   // answers in a row with a wrong checksum

	choice replicaChoice
}

// limit returns where reading stops: at the end of a bounded run, or where the
// partition is parked.
func (p *partition) limit() int64 {
	limit := int64(math.MaxInt64)
	if p.parked && !p.trial {
		limit = p.stop
	}
	if p.stopAt >= 0 {
		limit = min(limit, p.stopAt)
	}
	return limit
}

// isFinished tells whether nothing more is to be read.
func (p *partition) isFinished() bool { return p.next >= p.limit() }

// appendRecords appends fetched records until there are none left or records is
// full.
func (p *partition) appendRecords(records *batch.Records, limit int) (full bool) {
	if p.skip > p.next {
		p.next, p.got = min(p.skip, p.limit()), true
		return false
	}
	if p.fault != nil {
		p.addFault(records, p.next, p.fault)
		p.fault, p.got = nil, true
		return false
	}
	for !p.isFinished() {
		from := len(records.Messages)
		more, left := p.appendSome(records, limit)
		if p.trial && len(records.Messages) > from {
			p.cutTrial(records, from)
			return false
		}
		if more || !left {
			return more && !p.isFinished()
		}
	}
	return false
}

// appendSome takes a step: to the next batch, or through the one at hand. It
// reports whether records was full before the end of that one, and whether
// another step can follow.
func (p *partition) appendSome(records *batch.Records, limit int) (full, left bool) {
	if !p.within {
		info, err := p.reader.Next()
		p.noteOffset()
		switch {
		case err == io.EOF:
			p.noteCutBatch(records)
			return false, false
		case err != nil:
			return false, p.stepOver(records, err)
		}
		p.got, p.spoiled = true, 0
		p.epochs.note(p.place, info.LeaderEpoch, info.BaseOffset)
		p.largest = max(p.largest, info.Size)
		p.compressed = p.compressed || info.Compression != batch.None
		p.within = p.committed.Admits(info)
		return false, true
	}
	from := len(records.Messages)
	more, err := p.reader.Read(records, limit)
	p.cutBehindLimit(records, from)
	p.noteOffset()
	if err != nil {
		p.within = false
		return false, p.stepOver(records, err)
	}
	p.within = more && !p.isFinished()
	return p.within, true
}

// noteOffset moves the partition to the reader's offset.
func (p *partition) noteOffset() {
	p.next = min(max(p.next, p.reader.Offset()), p.limit())
}

// cutBehindLimit drops messages at and behind the limit.
func (p *partition) cutBehindLimit(records *batch.Records, from int) {
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

// targetBytes is the most that a fetch asks for of one partition. With their
// envelopes these records make one batch below the usual max.message.bytes of 1
// MiB, unless records are small.
const targetBytes = 768 << 10

// maxCut is more than the size of any batch that is worth asking for, in bytes:
// no checksum covers the size in the header of one that was cut short.
const maxCut = 128 << 20

// wantBytes returns how many bytes to ask for when limit bytes are for all
// partitions: as many whole batches of the size in the last answer as fit,
// since a batch that is cut short is fetched again, and at least one of any
// size. maxBatch is the largest that there can be; 0 if it is unknown.
//
// A partition whose batches have grown since the last answer may get none of
// them; the next request is then made for it.
func (p *partition) wantBytes(limit, maxBatch int) int {
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

// beginAnswer takes over the partition's part of an answer, to a request for it
// alone or with others.
func (p *partition) beginAnswer(a *wire.FetchedPartition, alone bool) {
	p.reader.Reset(p.place, a.Records, p.next)
	p.committed.Reset(a.Aborted)
	p.within, p.alone, p.got, p.largest = false, alone, false, 0
}

// noteCutBatch notes the size of the batch that the answer's end cut short. A
// request for one partition must be answered with a whole batch.
func (p *partition) noteCutBatch(records *batch.Records) {
	p.largest = max(p.largest, min(p.reader.Cut(), maxCut))
	if p.alone && !p.got {
		p.addFault(records, p.next, fmt.Errorf("%w: it is cut short", batch.ErrMalformed))
	}
}
