package kafka

import (
	"fmt"
	"io"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// partition is one partition that a lane reads. It belongs to the lane's
// reader.
type partition struct {
	number int32
	index  int // in intake.parts
	place  string
	next   int64 // where the next fetch begins
	stopAt int64 // where a bounded run ends; -1 if never
	status *partitionProgress

	reader    batch.Reader
	committed batch.Committed
	within    bool // the reader is in a batch that is to be read
	alone     bool // in the request: a whole batch is due
	got       bool // a whole batch
	largest   int  // batch of the last answer, in bytes, the one included that its end cut short

	replica      int32 // to be read instead of the leader until replicaUntil; -1 if none
	replicaUntil time.Time
}

func (p *partition) isFinished() bool { return p.stopAt >= 0 && p.next >= p.stopAt }

// brokerToAsk returns the broker to read from; -1 if nobody leads.
func (p *partition) brokerToAsk(t *cluster.Topic) int32 {
	if p.replica >= 0 && time.Now().Before(p.replicaUntil) {
		return p.replica
	}
	return t.Leader(p.number).Broker
}

// appendRecords appends fetched records until there are none left (full is
// false) or records is full.
func (p *partition) appendRecords(records *batch.Records, limit int) (full bool, err error) {
	for !p.isFinished() {
		if !p.within {
			info, err := p.reader.Next()
			p.noteOffset()
			if err == io.EOF {
				return false, p.noteCutBatch()
			}
			if err != nil {
				return false, err
			}
			p.got = true
			p.largest = max(p.largest, info.Size)
			p.within = p.committed.Admits(info)
			continue
		}
		from := len(records.Messages)
		more, err := p.reader.Read(records, limit)
		p.cutBehindEnd(records, from)
		p.noteOffset()
		if err != nil {
			return false, err
		}
		if more && !p.isFinished() {
			return true, nil
		}
		p.within = false
	}
	return false, nil
}

// noteOffset moves the partition to the reader's offset.
func (p *partition) noteOffset() {
	p.next = max(p.next, p.reader.Offset())
	if p.stopAt >= 0 {
		p.next = min(p.next, p.stopAt)
	}
}

// cutBehindEnd drops messages behind the end of a bounded run.
func (p *partition) cutBehindEnd(records *batch.Records, from int) {
	if p.stopAt < 0 {
		return
	}
	n := len(records.Messages)
	for n > from && records.Messages[n-1].Origin.Offset >= p.stopAt {
		n--
	}
	clear(records.Messages[n:])
	records.Messages = records.Messages[:n]
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
func (p *partition) noteCutBatch() error {
	p.largest = max(p.largest, min(p.reader.Cut(), maxCut))
	if p.alone && !p.got {
		return &batch.Error{Place: p.place, Offset: p.next, Err: fmt.Errorf("%w: it is cut short", batch.ErrMalformed)}
	}
	return nil
}
