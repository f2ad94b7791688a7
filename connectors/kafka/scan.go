package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// scanBytes is asked for at once by Scan, in bytes.
const scanBytes = 1 << 20

// Scan shows the records from an offset to the end, in order, as Peek would one
// by one, with one request for many. It ends early when see returns false or an
// error. A message is valid until see returns.
func (p *Peeker) Scan(ctx context.Context, offset int64, see func(m *pipeline.Message) (bool, error)) error {
	r := p.topic.Cluster().NewRetry("read " + p.place)
	empty := 0
	for next := max(offset, p.first); next < p.end; {
		behind, more, err := p.scanOnce(ctx, next, see)
		var ended *seeError
		switch {
		case errors.As(err, &ended):
			return ended.error
		case err == nil && !more:
			return nil
		case err == nil && behind > next:
			next, empty = behind, 0
			continue
		case err == nil:
			if empty++; empty == peekPatience {
				return fmt.Errorf("%s@%d: the broker shows nothing, and the end is %d", p.place, next, p.end)
			}
			continue // it has waited before it answered
		case errors.Is(err, kafkago.OffsetOutOfRange):
			if next, err = p.firstLeft(ctx, next); err != nil {
				return err
			}
			continue
		}
		next = max(next, behind) // the records before have been shown
		if err := r.Wait(ctx, err); err != nil {
			return err
		}
		if err := p.topic.Refresh(ctx); err != nil && cluster.JudgeError(err) != cluster.Again {
			return err
		}
	}
	return nil
}

// seeError is an error of the function that is shown records.
type seeError struct{ error }

// scanOnce asks the leader once, and shows the records of the answer. behind is
// the offset behind the last one that was shown or passed over.
func (p *Peeker) scanOnce(
	ctx context.Context, offset int64, see func(m *pipeline.Message) (bool, error),
) (behind int64, more bool, err error) {
	answer, err := p.fetchAt(ctx, offset, scanBytes)
	if err != nil {
		return 0, true, err
	}
	defer answer.Release()
	defer p.reader.Close()
	for {
		info, err := p.reader.Next()
		switch {
		case err == io.EOF:
			return max(offset, p.reader.Offset()), true, nil
		case err != nil:
			return behind, true, err
		case !p.committed.Admits(info):
			continue
		}
		if more, err := p.showBatch(&behind, see); err != nil || !more {
			return behind, more, err
		}
	}
}

// showBatch shows the records of the batch that the reader stands in.
func (p *Peeker) showBatch(behind *int64, see func(m *pipeline.Message) (bool, error)) (more bool, err error) {
	for {
		p.records.Reset()
		rest, err := p.reader.Read(&p.records, scanBytes)
		if err != nil {
			return true, err
		}
		for i := range p.records.Messages {
			m := &p.records.Messages[i]
			if m.Origin.Offset >= p.end {
				return false, nil
			}
			more, err := see(m)
			if err != nil {
				return false, &seeError{err}
			}
			if *behind = m.Origin.Offset + 1; !more {
				return false, nil
			}
		}
		if !rest {
			return true, nil
		}
	}
}
