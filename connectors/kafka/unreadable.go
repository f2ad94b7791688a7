package kafka

import (
	"errors"
	"fmt"
	"strings"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// maxSpoiled is how many times in a row a batch is fetched that does not match
// its checksum: it may have been damaged on the way.
const maxSpoiled = 3

// stepOver deals with a batch that cannot be read. It adds a message that
// stands for the records which are left out, and reports whether the batch was
// stepped over. A batch that does not match its checksum is fetched again
// first. One of which nobody knows where it ends parks the partition.
func (p *partition) stepOver(records *batch.Records, err error) (stepped bool) {
	if errors.Is(err, batch.ErrChecksum) {
		if p.spoiled++; p.spoiled < maxSpoiled {
			p.got = true // there is no need for a request of its own
			return false
		}
	}
	cause := err
	if at, ok := errors.AsType[*batch.Error](err); ok {
		cause = at.Err // the message says where
	}
	first, last, ok := p.reader.Skip()
	if !ok {
		p.addFault(records, p.next, cause)
		return false
	}
	p.spoiled = 0
	p.addFault(records, first, &pipeline.Reject{Reason: reasonOf(cause), Err: worded(cause), Through: last})
	p.next = min(last+1, max(p.limit(), p.next))
	return true
}

// addFault adds a message that cannot be read.
func (p *partition) addFault(records *batch.Records, offset int64, err error) {
	records.Messages = append(records.Messages, pipeline.Message{
		Origin: pipeline.Origin{Place: p.place, Offset: offset, Previous: -1}, Fault: err,
	})
	p.next = max(p.next, offset+1)
}

// reasonOf is the word for why a batch cannot be read.
func reasonOf(err error) pipeline.Reason {
	switch {
	case errors.Is(err, batch.ErrTooLarge):
		return pipeline.ReasonTooLarge
	case errors.Is(err, batch.ErrFormat):
		return pipeline.ReasonUnsupported
	}
	return pipeline.ReasonMalformed
}

// worded puts the reason in front of an error, unless it begins with it.
func worded(err error) error {
	reason := string(reasonOf(err))
	if strings.HasPrefix(err.Error(), reason) {
		return err
	}
	return fmt.Errorf("%s: %w", reason, err)
}
