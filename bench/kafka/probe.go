package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Delays is the time that records took from the moment at which they were due
// until a consumer had them, in milliseconds.
type Delays struct {
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
	Count int64   `json:"count"`
}

const (
	probeFor  = 25 * time.Second // of writing
	probeTick = time.Millisecond
	probeEnd  = time.Minute // for the last records to arrive
)

// warmShare is the part of the records that do not count, the first ones: a
// contender joins its group meanwhile, and works off the backlog.
const warmShare = 0.4

// countProbes returns how many records a probe writes at a pace.
func countProbes(pace int) int { return int(probeFor.Seconds() * float64(pace)) }

// probeLatency writes records at a steady pace into one topic and reads them
// from another, or from the same.
//
// The loop is open: a record has its time from the schedule, and not from the
// moment at which it was written, so that a pause of anything counts for every
// record that fell due in it.
func probeLatency(ctx context.Context, j *job) (*Delays, error) {
	ctx, cancel := context.WithTimeout(ctx, probeFor+probeEnd)
	defer cancel()
	begin := time.Now()
	var failed firstError
	written := make(chan error, 1)
	go func() { written <- writeProbes(ctx, j, begin, &failed) }()
	delays, err := readProbes(ctx, j, begin)
	if err != nil {
		cancel()
	}
	if err := errors.Join(err, <-written, failed.checkError()); err != nil {
		return nil, err
	}
	return delays, nil
}

// probeStep is the time between two records.
func (j *job) probeStep() time.Duration { return time.Second / time.Duration(j.pace) }

// writeProbes writes each record as soon as it is due. Its key is that time in
// nanoseconds since begin.
func writeProbes(ctx context.Context, j *job, begin time.Time, failed *firstError) error {
	c, err := kgo.NewClient(append(franzProducer(j, j.batch), kgo.ProducerLinger(0))...)
	if err != nil {
		return err
	}
	defer c.Close()
	value := makeNoise(j.size, "none")
	step := j.probeStep()
	tick := time.NewTicker(probeTick)
	defer tick.Stop()
	for i := 0; i < j.records; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		for due := time.Since(begin); i < j.records && time.Duration(i)*step <= due; i++ {
			c.Produce(ctx, &kgo.Record{
				Topic: j.from, Partition: int32(i % j.partitions),
				Key: strconv.AppendInt(nil, int64(time.Duration(i)*step), 10), Value: value,
			}, func(_ *kgo.Record, err error) { failed.noteError(err) })
		}
	}
	return c.Flush(ctx)
}

// readProbes reads the records, of which the value may have been changed.
func readProbes(ctx context.Context, j *job, begin time.Time) (*Delays, error) {
	c, err := kgo.NewClient(append(franzBroker(j), kgo.ConsumeTopics(j.to),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMinBytes(1))...)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	warm := time.Duration(warmShare * float64(j.records) * float64(j.probeStep()))
	h := hdrhistogram.New(1, (probeFor + probeEnd).Microseconds(), 3)
	for n := 0; n < j.records; {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("record %d of %d: %w", n, j.records, err)
		}
		now := time.Since(begin)
		var bad error
		fetches.EachRecord(func(r *kgo.Record) {
			due, err := strconv.ParseInt(string(r.Key), 10, 64)
			if err == nil && time.Duration(due) >= warm {
				err = h.RecordValue(max(1, (now - time.Duration(due)).Microseconds()))
			}
			bad = errors.Join(bad, err)
		})
		if bad != nil {
			return nil, bad
		}
		n += fetches.NumRecords()
	}
	return &Delays{
		P50: float64(h.ValueAtQuantile(50)) / 1e3, P99: float64(h.ValueAtQuantile(99)) / 1e3,
		Max: float64(h.Max()) / 1e3, Count: h.TotalCount(),
	}, nil
}
