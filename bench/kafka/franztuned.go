package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// franzTuned copies as somebody does who was told to make franz-go's copy
// faster and to lose nothing: a record goes on as it was fetched, all records
// share one callback, the checksums of fetches are not computed, and a fetch
// waits until it is worth it.
func franzTuned(ctx context.Context, j *job) error {
	c, err := kgo.NewClient(append(franzMember(j),
		kgo.ProducerLinger(5*time.Millisecond), kgo.AutoCommitMarks(),
		kgo.DisableFetchCRCValidation(),
		kgo.FetchMinBytes(256<<10),
		kgo.FetchMaxWait(20*time.Millisecond),
	)...)
	if err != nil {
		return err
	}
	defer c.Close()
	var failed firstError
	written := func(r *kgo.Record, err error) {
		failed.noteError(err)
		if p, ok := r.Context.Value(pollKey{}).(*poll); ok && p.waiting.Add(-1) == 0 && err == nil {
			c.MarkCommitOffsets(p.offsets)
		}
	}
	for seen := 0; seen < j.records; {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		if err := failed.checkError(); err != nil {
			return err
		}
		p := newPoll(&fetches)
		of := context.WithValue(ctx, pollKey{}, p)
		fetches.EachRecord(func(r *kgo.Record) {
			r.Topic, r.Context = j.to, of
			c.Produce(of, r, written)
		})
		seen += fetches.NumRecords()
	}
	if err := c.Flush(ctx); err != nil {
		return err
	}
	if err := failed.checkError(); err != nil {
		return err
	}
	return c.CommitMarkedOffsets(ctx)
}

// poll is the records of one fetch, which are written together. All of them
// have been acknowledged when none is waiting, and only then may the group's
// offsets move behind them.
type poll struct {
	waiting atomic.Int64
	offsets map[string]map[int32]kgo.EpochOffset
}

// pollKey is the key of a record's poll in the context of the record.
type pollKey struct{}

func newPoll(fetches *kgo.Fetches) *poll {
	p := &poll{offsets: make(map[string]map[int32]kgo.EpochOffset)}
	p.waiting.Store(int64(fetches.NumRecords()))
	fetches.EachPartition(func(t kgo.FetchTopicPartition) {
		if len(t.Records) == 0 {
			return
		}
		of := p.offsets[t.Topic]
		if of == nil {
			of = make(map[int32]kgo.EpochOffset)
			p.offsets[t.Topic] = of
		}
		last := t.Records[len(t.Records)-1]
		of[t.Partition] = kgo.EpochOffset{Epoch: last.LeaderEpoch, Offset: last.Offset + 1}
	})
	return p
}

// franzTransactions copies in transactions, each of which holds one fetch and
// its offsets: franz-go's own way to exactly once.
func franzTransactions(ctx context.Context, j *job) error {
	s, err := kgo.NewGroupTransactSession(append(franzMember(j),
		kgo.TransactionalID(j.group+"-copy"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		return err
	}
	defer s.Close()
	var failed firstError
	for seen := 0; seen < j.records; {
		fetches := s.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		if fetches.NumRecords() == 0 {
			continue
		}
		if err := s.Begin(); err != nil {
			return err
		}
		fetches.EachRecord(func(in *kgo.Record) {
			s.Produce(ctx, &kgo.Record{
				Topic: j.to, Partition: in.Partition,
				Key: in.Key, Value: in.Value, Headers: in.Headers, Timestamp: in.Timestamp,
			}, func(_ *kgo.Record, err error) { failed.noteError(err) })
		})
		committed, err := s.End(ctx, kgo.TryCommit)
		if err != nil {
			return err
		}
		if err := failed.checkError(); err != nil {
			return err
		}
		if !committed {
			return errNotCommitted
		}
		seen += fetches.NumRecords()
	}
	return nil
}

// errNotCommitted ends a contest: with one member no group is rebalanced.
var errNotCommitted = errors.New("a transaction was aborted")
