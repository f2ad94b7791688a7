package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/bench/internal/contest"
)

// TestCopies lets every contender that is ours to write carry records in
// process: all of them arrive, in order, where they were, and AES-GCM is really
// applied.
func TestCopies(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1),
		kfake.SeedTopics(2, "from", "franz-copy", "franz-seal", "kafka-go-copy", "franz-tuned",
			"franz-transactions"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	j := job{broker: cluster.ListenAddrs()[0], partitions: 2, records: 3000, size: 200, batch: 16 << 10}
	filling := j
	filling.does, filling.to = "fill", "from"
	if err := filling.runJob(ctx); err != nil {
		t.Fatal(err)
	}
	want := readAll(ctx, t, &j, "from")
	for _, does := range []string{"franz-copy", "franz-seal", "kafka-go-copy", "franz-tuned", "franz-transactions"} {
		copying := j
		copying.does, copying.from, copying.to, copying.group = does, "from", does, does
		if err := copying.runJob(ctx); err != nil {
			t.Fatalf("%s: %v", does, err)
		}
		got := readAll(ctx, t, &j, does)
		for p := range want {
			if len(got[p]) != len(want[p]) || len(want[p]) == 0 {
				t.Fatalf("%s: partition %d has %d records, want %d", does, p, len(got[p]), len(want[p]))
			}
			for i := range want[p] {
				value := got[p][i].Value
				if does == "franz-seal" {
					value = unseal(t, value)
				}
				if !bytes.Equal(got[p][i].Key, want[p][i].Key) || !bytes.Equal(value, want[p][i].Value) {
					t.Fatalf("%s: record %d of partition %d is another", does, i, p)
				}
			}
		}
	}
	if err := (&job{does: "nothing"}).runJob(ctx); err == nil {
		t.Error("a job that does not exist is no error")
	}
}

// readAll reads a topic, by partition.
func readAll(ctx context.Context, t *testing.T, j *job, topic string) [][]*kgo.Record {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(j.broker), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	all := make([][]*kgo.Record, j.partitions)
	for n := 0; n < j.records; {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%s: %d records: %v", topic, n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { all[r.Partition] = append(all[r.Partition], r) })
		n += fetches.NumRecords()
	}
	return all
}

func unseal(t *testing.T, b []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gcm.Open(nil, b[:gcm.NonceSize()], b[gcm.NonceSize():], nil)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// TestWatch measures a topic that others fill, from its first record on.
func TestWatch(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	c, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{client: c}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := b.createTopic(ctx, "watched", 2, 0); err != nil {
		t.Fatal(err)
	}
	write := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			r := &kgo.Record{Topic: "watched", Partition: int32(i % 2), Value: strconv.AppendInt(nil, int64(i), 10)}
			if err := c.ProduceSync(ctx, r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(0, 10)
	looks := make(chan struct{}, 1000)
	cluster.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		looks <- struct{}{}
		return nil, nil, false
	})
	done := make(chan error, 1)
	var p contest.Pace
	go func() {
		var err error
		p, err = b.watchTopic("watched", 2, 20).WatchFilling(ctx)
		done <- err
	}()
	<-looks
	<-looks // by the second look the first one has been answered
	write(10, 20)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if p.Messages != 10 || p.Took <= 0 {
		t.Errorf("%+v", p)
	}
	if _, err := b.watchTopic("watched", 2, 20).WatchFilling(ctx); err == nil {
		t.Error("a topic that was full is no measurement")
	}
	if err := b.deleteTopic(ctx, "watched"); err != nil {
		t.Error(err)
	}
}
