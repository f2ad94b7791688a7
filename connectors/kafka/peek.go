package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

const (
	// peekBytes is asked for at once. One record batch would do, but control
	// batches and those of aborted transactions may stand before the record,
	// each in an answer of its own.
	peekBytes = 64 << 10
	// peekPatience is how many answers in a row may show nothing where
	// something must be.
	peekPatience = 20
)

// Peeker looks at single records of one partition, in any order. It joins no
// group and commits nothing. It shows the records that a Source would read: no
// control records, nothing of aborted transactions. It is used by one
// goroutine.
type Peeker struct {
	topic       *cluster.Topic
	number      int32
	place       string
	first, end  int64
	codecMemory int
	reader      batch.Reader
	committed   batch.Committed
	records     batch.Records
}

// Peekers returns a Peeker for each partition that a bounded Source reads, from
// its Start to its Until.
func (s *Source) Peekers(ctx context.Context) ([]*Peeker, error) {
	if !s.Until.Bounded() {
		return nil, fmt.Errorf("%s: a run without an end cannot be looked through", s.names.describe())
	}
	partitions := s.chosenPartitions()
	starts, err := s.findStarts(ctx, partitions, isFresh)
	if err != nil {
		return nil, err
	}
	stable, err := s.topics.ListOffsets(ctx, partitions, wire.Latest)
	if err != nil {
		return nil, err
	}
	all := make([]*Peeker, len(partitions))
	for i, number := range partitions {
		in := s.topics.at(number)
		all[i] = &Peeker{
			topic: in.topic.Topic, number: in.number, place: in.place,
			first: starts[i], end: min(stable[0][i], s.untilOffsets[number]), codecMemory: s.CodecMemory,
		}
	}
	return all, nil
}

// Place is how the origins of the partition's messages name it.
func (p *Peeker) Place() string { return p.place }

// Bounds are the offset of the first record, and that behind the last one that
// is committed, as of when the Source was opened. There need not be a record at
// either side.
func (p *Peeker) Bounds() (first, end int64) { return p.first, p.end }

// Peek returns the first record at or behind an offset, or io.EOF if there is
// none before the end. The message is the caller's.
func (p *Peeker) Peek(ctx context.Context, offset int64) (pipeline.Message, error) {
	r := p.topic.Cluster().NewRetry("read " + p.place)
	empty := 0
	for next := max(offset, p.first); next < p.end; {
		m, behind, err := p.fetchFirst(ctx, next)
		switch {
		case err == nil && m != nil && m.Origin.Offset >= p.end:
			return pipeline.Message{}, io.EOF
		case err == nil && m != nil:
			return *m, nil
		case err == nil && behind > next:
			next, empty = behind, 0
			continue
		case err == nil:
			if empty++; empty == peekPatience {
				return pipeline.Message{}, fmt.Errorf("%s@%d: the broker shows nothing, and the end is %d",
					p.place, next, p.end)
			}
			continue // it has waited before it answered
		case errors.Is(err, kafkago.OffsetOutOfRange):
			if next, err = p.firstLeft(ctx, next); err != nil {
				return pipeline.Message{}, err
			}
			continue
		}
		if err := r.Wait(ctx, err); err != nil {
			return pipeline.Message{}, err
		}
		if err := p.topic.Refresh(ctx); err != nil && cluster.JudgeError(err) != cluster.Again {
			return pipeline.Message{}, err
		}
	}
	return pipeline.Message{}, io.EOF
}

// fetchFirst asks the leader once. It returns the first record of the answer,
// or where the answer ends if it has none.
func (p *Peeker) fetchFirst(ctx context.Context, offset int64) (m *pipeline.Message, behind int64, err error) {
	answer, err := p.fetchAt(ctx, offset, peekBytes)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Release()
	defer p.reader.Close()
	return p.firstRecord(offset)
}

// fetchAt asks the leader once for about size bytes, and puts the reader before
// the first batch of the answer. The caller closes the reader and releases the
// answer.
func (p *Peeker) fetchAt(ctx context.Context, offset int64, size int) (*wire.FetchResponse, error) {
	leads := p.topic.Leader(p.number)
	answer, err := p.topic.Cluster().Wire().Fetch(ctx, &wire.FetchRequest{
		Broker: leads.Broker, MaxWait: fetchWait, MinBytes: 1, Committed: true,
		MaxBytes: 2 * size, // the partition's bound is the lower one
		Partitions: []wire.FetchPartition{
			{Topic: p.topic.Name(), Partition: p.number, Offset: offset, LeaderEpoch: leads.Epoch, MaxBytes: size},
		},
	})
	if err != nil {
		return nil, err
	}
	a := &answer.Partitions[0]
	if a.Err != nil {
		answer.Release()
		return nil, a.Err
	}
	// Peekers are many and used one after the other: none keeps decoders.
	p.reader.Codecs = &batch.Codecs{Limit: p.codecMemory}
	p.reader.Reset(p.place, a.Records, offset)
	p.committed.Reset(a.Aborted)
	return answer, nil
}

// firstRecord finds the first record that a Source would read.
func (p *Peeker) firstRecord(offset int64) (m *pipeline.Message, behind int64, err error) {
	for {
		info, err := p.reader.Next()
		switch {
		case err == io.EOF:
			return nil, max(offset, p.reader.Offset()), nil
		case err != nil:
			return nil, 0, err
		case !p.committed.Admits(info):
			continue
		}
		p.records.Reset()
		if _, err := p.reader.Read(&p.records, 1); err != nil {
			return nil, 0, err
		}
		if len(p.records.Messages) > 0 {
			return cloneMessage(&p.records.Messages[0]), 0, nil
		}
	}
}

// cloneMessage copies a message out of an answer.
func cloneMessage(m *pipeline.Message) *pipeline.Message {
	c := *m
	c.Key, c.Value = bytes.Clone(m.Key), bytes.Clone(m.Value)
	c.Headers = slices.Clone(m.Headers)
	for i := range c.Headers {
		c.Headers[i].Value = bytes.Clone(c.Headers[i].Value)
	}
	return &c
}

// firstLeft returns the first offset that still exists, after retention has
// removed the requested one.
func (p *Peeker) firstLeft(ctx context.Context, offset int64) (int64, error) {
	rows, err := p.topic.ListOffsets(ctx, []int32{p.number}, wire.Earliest)
	switch {
	case err != nil:
		return 0, err
	case rows[0][0] <= offset:
		return 0, fmt.Errorf("%s@%d: %w: it was cut or made anew", p.place, offset, kafkago.OffsetOutOfRange)
	}
	p.first = rows[0][0]
	return p.first, nil
}
