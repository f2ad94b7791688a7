package kafka

import (
	"io"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
)

// partition is one partition that a lane reads. It belongs to the lane's reader.
type partition struct {
	number int32
	index  int // in intake.parts
	place  string
	next   int64 // where the next fetch begins
	end    int64 // where a bounded run ends; -1 if never
	status *status

	reader    batch.Reader
	committed batch.Committed
	within    bool // the reader is in a batch that is to be read

	replica      int32 // to be read instead of the leader until replicaUntil; -1 if none
	replicaUntil time.Time
}

func (p *partition) finished() bool { return p.end >= 0 && p.next >= p.end }

// broker is whom to ask; -1 if nobody leads.
func (p *partition) broker(t *topic) int32 {
	if p.replica >= 0 && time.Now().Before(p.replicaUntil) {
		return p.replica
	}
	return t.leader(p.number).id
}

// take appends what has been fetched to records, until there is none left (full is false) or records is full.
func (p *partition) take(records *batch.Records, limit int) (full bool, err error) {
	for !p.finished() {
		if !p.within {
			info, err := p.reader.Next()
			p.moved()
			if err == io.EOF {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			p.within = p.committed.Admits(info)
			continue
		}
		from := len(records.Messages)
		more, err := p.reader.Read(records, limit)
		p.cut(records, from)
		p.moved()
		if err != nil {
			return false, err
		}
		if more && !p.finished() {
			return true, nil
		}
		p.within = false
	}
	return false, nil
}

// moved notes how far the reader is.
func (p *partition) moved() {
	p.next = max(p.next, p.reader.Offset())
	if p.end >= 0 {
		p.next = min(p.next, p.end)
	}
}

// cut drops messages behind the end of a bounded run.
func (p *partition) cut(records *batch.Records, from int) {
	if p.end < 0 {
		return
	}
	n := len(records.Messages)
	for n > from && records.Messages[n-1].Origin.Offset >= p.end {
		n--
	}
	clear(records.Messages[n:])
	records.Messages = records.Messages[:n]
}
