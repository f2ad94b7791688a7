package testcontainers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	faultParts = 6
	faultRate  = 300 // records a second
	late       = 2 * time.Second
)

// faultTopics are the source, the ciphertext and the plaintext again.
var faultTopics = [3]string{"in", "sealed", "opened"}

// faultStream writes numbered records at a steady rate and watches, as a reader
// of committed records, how old the oldest one is that has not come through.
type faultStream struct {
	cluster *faultCluster
	series  series
	stop    context.CancelFunc
	wait    sync.WaitGroup

	mu      sync.Mutex
	err     error
	made    [faultParts][]time.Time // when each record was made
	through [3][faultParts][]int    // what has come through, by topic; -1 is no number
	reached [3][faultParts]int      // how many there are up to the last one of them
	lateAt  [3][faultParts]time.Time
	oldest  [3][faultParts]time.Duration // since the last call of begin
}

// startStream starts to write, and to watch.
func startStream(t *testing.T, c *faultCluster) *faultStream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &faultStream{cluster: c, series: series{partitions: faultParts}, stop: cancel}
	producer := c.dial(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(1<<20), kgo.ProducerLinger(5*time.Millisecond))
	reader := c.dial(t, kgo.ConsumeTopics(faultTopics[1:]...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	watching, unwatch := context.WithCancel(t.Context())
	s.wait.Go(func() { s.produce(ctx, producer) })
	var watch sync.WaitGroup
	watch.Go(func() { s.read(watching, reader) })
	watch.Go(func() { s.measure(watching) })
	t.Cleanup(func() {
		cancel()
		unwatch()
		s.wait.Wait()
		watch.Wait()
	})
	return s
}

// produce writes until ctx ends, and then waits until everything is written.
func (s *faultStream) produce(ctx context.Context, c *kgo.Client) {
	const tick = 10 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	begin, n := time.Now(), 0
	fail := func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.err == nil {
			s.err = err
		}
	}
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			flushing, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := c.Flush(flushing); err != nil {
				fail(err)
			}
			return
		}
		for due := int(time.Since(begin).Seconds() * faultRate); n < due; n++ {
			r := s.series.numbered(faultTopics[0], n)
			s.mu.Lock()
			s.made[r.Partition] = append(s.made[r.Partition], time.Now())
			s.series.n = n + 1
			s.mu.Unlock()
			c.Produce(context.Background(), r, func(_ *kgo.Record, err error) {
				if err != nil {
					fail(fmt.Errorf("the test's own producer: %w", err))
				}
			})
		}
	}
}

// read counts what comes through.
func (s *faultStream) read(ctx context.Context, c *kgo.Client) {
	for ctx.Err() == nil {
		fetches := c.PollFetches(ctx)
		s.mu.Lock()
		fetches.EachRecord(func(r *kgo.Record) {
			topic, i := slices.Index(faultTopics[:], r.Topic), numberOf(r)
			s.through[topic][r.Partition] = append(s.through[topic][r.Partition], i)
			if i >= 0 {
				s.reached[topic][r.Partition] = max(s.reached[topic][r.Partition], i/faultParts+1)
			}
		})
		s.mu.Unlock()
	}
}

// measure notes when records were late.
func (s *faultStream) measure(ctx context.Context) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
		now := time.Now()
		for topic := 1; topic < len(faultTopics); topic++ {
			for p, made := range s.made {
				next := s.reached[topic][p]
				if next >= len(made) {
					continue
				}
				age := now.Sub(made[next])
				s.oldest[topic][p] = max(s.oldest[topic][p], age)
				if age >= late {
					s.lateAt[topic][p] = now
				}
			}
		}
		s.mu.Unlock()
	}
}

// begin forgets what was late before a fault.
func (s *faultStream) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lateAt, s.oldest = [3][faultParts]time.Time{}, [3][faultParts]time.Duration{}
}

// lastLate tells when a record of a topic was last late, and how old the oldest
// one of each partition became.
func (s *faultStream) lastLate(topic int) (at time.Time, oldest [faultParts]time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.lateAt[topic] {
		if one.After(at) {
			at = one
		}
	}
	return at, s.oldest[topic]
}

// mark returns how many records of each partition have been made.
func (s *faultStream) mark() (made [faultParts]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.made {
		made[p] = len(s.made[p])
	}
	return made
}

// passed tells whether everything up to a mark has come through, and the error
// of the test's own producer.
func (s *faultStream) passed(mark [faultParts]int) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, n := range mark {
		if s.reached[1][p] < n || s.reached[2][p] < n {
			return false, s.err
		}
	}
	return true, s.err
}

// isCalm tells whether nothing has been late for a while.
func (s *faultStream) isCalm(while time.Duration) bool {
	sealed, _ := s.lastLate(1)
	opened, _ := s.lastLate(2)
	return time.Since(sealed) > while && time.Since(opened) > while
}

// end stops writing and waits until everything has come through.
func (s *faultStream) end(t *testing.T) {
	t.Helper()
	s.stop()
	s.wait.Wait()
	s.mu.Lock()
	err, total := s.err, s.series.n
	s.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for {
		var seen [3]int
		s.mu.Lock()
		for topic := range s.reached {
			for _, n := range s.reached[topic] {
				seen[topic] += n
			}
		}
		s.mu.Unlock()
		if seen[1] >= total && seen[2] >= total {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("of %d records only the first %d were sealed, and the first %d opened", total, seen[1], seen[2])
			return
		}
		s.cluster.waitFor(t, 50*time.Millisecond)
	}
}

// report logs how far each partition is.
func (s *faultStream) report(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, made := range s.made {
		t.Logf("partition %d: %d made, %d sealed, %d opened", p, len(made), s.reached[1][p], s.reached[2][p])
	}
}
