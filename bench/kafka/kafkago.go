package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// position is the place where a message was read.
type position struct {
	partition int
	offset    int64
}

// kafkaGoCopy is kafka-go's Reader and Writer in a loop: asynchronous writes,
// and commits that follow the acknowledgements of the broker. The Writer has no
// limit on the messages that wait in it, so this function has one.
func kafkaGoCopy(ctx context.Context, j *job) error {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{j.broker}, GroupID: j.group, Topic: j.from, StartOffset: kafka.FirstOffset,
		MaxBytes: 2*j.size + 1<<20, MaxWait: 500 * time.Millisecond, CommitInterval: time.Second,
		Dialer: &kafka.Dialer{Timeout: 10 * time.Second, DualStack: true, TLS: j.dials},
	})
	var transport kafka.RoundTripper // the usual one
	if j.dials != nil {
		transport = &kafka.Transport{TLS: j.dials}
	}
	var failed firstError
	waiting := newQuota(64 << 20)
	writer := &kafka.Writer{
		Addr: kafka.TCP(j.broker), Topic: j.to, Transport: transport, Async: true, RequiredAcks: kafka.RequireAll,
		BatchSize: 10_000, BatchBytes: int64(max(1<<20, j.size+1024)), BatchTimeout: 5 * time.Millisecond,
		Balancer: kafka.BalancerFunc(samePartition),
		Completion: func(messages []kafka.Message, err error) {
			n := 0
			for i := range messages {
				n += len(messages[i].Value)
			}
			waiting.giveBytes(n)
			if err != nil {
				failed.noteError(err)
				return
			}
			last, ok := messages[len(messages)-1].WriterData.(position)
			if !ok {
				failed.noteError(errors.New("a message has lost its position"))
				return
			}
			read := kafka.Message{Topic: j.from, Partition: last.partition, Offset: last.offset}
			failed.noteError(reader.CommitMessages(ctx, read))
		},
	}
	for range j.records {
		m, err := reader.FetchMessage(ctx)
		if err != nil {
			return err
		}
		if err := failed.checkError(); err != nil {
			return err
		}
		waiting.takeBytes(len(m.Value))
		out := kafka.Message{
			Key: m.Key, Value: m.Value, Headers: m.Headers, Time: m.Time,
			WriterData: position{m.Partition, m.Offset},
		}
		if err := writer.WriteMessages(ctx, out); err != nil {
			return err
		}
	}
	if err := errors.Join(writer.Close(), failed.checkError()); err != nil {
		return err
	}
	return reader.Close()
}

func samePartition(m kafka.Message, partitions ...int) int {
	if at, ok := m.WriterData.(position); ok && at.partition < len(partitions) {
		return partitions[at.partition]
	}
	return partitions[0]
}

// quota is a number of bytes that may be in flight.
type quota struct {
	mu   sync.Mutex
	free *sync.Cond
	left int
}

func newQuota(n int) *quota {
	q := &quota{left: n}
	q.free = sync.NewCond(&q.mu)
	return q
}

func (q *quota) takeBytes(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.left < n {
		q.free.Wait()
	}
	q.left -= n
}

func (q *quota) giveBytes(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left += n
	q.free.Signal()
}
