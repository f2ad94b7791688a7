package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// cluster is a Kafka cluster in this process.
func cluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(2), kfake.SeedTopics(4, "orders")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	for p := range int32(4) { // the first broker leads 0 and 1, the other, if there is one, 2 and 3
		if nodes := int32(len(k.ListenAddrs())); p/2 < nodes {
			if err := k.MoveTopicPartition("orders", p, p/2); err != nil {
				t.Fatal(err)
			}
		}
	}
	return k
}

// connect returns a Client; change may be nil.
func connect(t *testing.T, k *kfake.Cluster, change func(*kafka.Transport)) *Client {
	t.Helper()
	tr := &kafka.Transport{ClientID: "streamcrypt", MetadataTopics: []string{}}
	if change != nil {
		change(tr)
	}
	tr.Dial = dial.New(dial.Options{ClientID: "streamcrypt", Dial: tr.Dial}).DialContext
	t.Cleanup(tr.CloseIdleConnections)
	return New(tr, kafka.TCP(k.ListenAddrs()...))
}

// independent is a client that is not ours.
func independent(t *testing.T, k *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(k.ListenAddrs()...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func batchOf(t *testing.T, p batch.Producer, values ...string) []byte {
	t.Helper()
	var a batch.Appender
	a.Begin(nil)
	for _, v := range values {
		a.Append(&pipeline.Message{Value: []byte(v), Time: time.UnixMilli(1_700_000_000_000)})
	}
	b, err := a.Finish(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// produce writes a batch to a partition of orders and fails on any error.
func produce(t *testing.T, c *Client, k *kfake.Cluster, partition int32, b []byte) int64 {
	t.Helper()
	r, err := c.Produce(t.Context(), &ProduceRequest{
		Broker: k.LeaderFor("orders", partition), Acks: AllReplicas, Timeout: 5 * time.Second,
		Partitions: []ProducePartition{{"orders", partition, b}},
	})
	if err != nil || r.Partitions[0].Err != nil {
		t.Fatal(r, err)
	}
	return r.Partitions[0].BaseOffset
}

func fetchOrders(k *kfake.Cluster, committed bool, partitions ...int32) *FetchRequest {
	f := &FetchRequest{Broker: k.LeaderFor("orders", partitions[0]), MinBytes: 1, MaxBytes: 1 << 20, Committed: committed}
	for _, p := range partitions {
		f.Partitions = append(f.Partitions, FetchPartition{Topic: "orders", Partition: p, LeaderEpoch: -1, MaxBytes: 1 << 20})
	}
	return f
}

// values reads what a fetch answered for a partition.
func values(t *testing.T, p *FetchedPartition, committed bool) (got []string) {
	t.Helper()
	var r batch.Reader
	var filter batch.Committed
	filter.Reset(p.Aborted)
	r.Reset("orders/0", p.Records, 0)
	for {
		info, err := r.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		if committed && !filter.Admits(info) {
			continue
		}
		var into batch.Records
		if _, err := r.Read(&into, math.MaxInt); err != nil {
			t.Fatal(err)
		}
		for i := range into.Messages {
			got = append(got, string(into.Messages[i].Value))
		}
	}
}

// leds are the partitions of orders that the broker leads.
func leds(k *kfake.Cluster, broker int32) (p []int32) {
	for i := range int32(4) {
		if k.LeaderFor("orders", i) == broker {
			p = append(p, i)
		}
	}
	return p
}

func TestProduceAndFetch(t *testing.T) {
	k := cluster(t)
	c := connect(t, k, nil)
	broker := k.LeaderFor("orders", 0)
	mine := leds(k, broker)
	request := &ProduceRequest{Broker: broker, Acks: AllReplicas, Timeout: 5 * time.Second}
	for _, p := range mine {
		request.Partitions = append(request.Partitions, ProducePartition{"orders", p, batchOf(t, anonymous, fmt.Sprint("a", p), fmt.Sprint("b", p))})
	}
	for round := range 2 {
		r, err := c.Produce(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range r.Partitions {
			if p.Err != nil || p.BaseOffset != int64(2*round) {
				t.Errorf("partition %d: %+v", mine[i], p)
			}
		}
	}
	answer, err := c.Fetch(t.Context(), fetchOrders(k, false, mine...))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Release()
	for i, p := range mine {
		got := &answer.Partitions[i]
		want := strings.ReplaceAll("aP bP aP bP", "P", fmt.Sprint(p))
		if v := values(t, got, false); got.Err != nil || got.HighWatermark != 4 || strings.Join(v, " ") != want {
			t.Errorf("partition %d: %+v, values %q", p, got, v)
		}
	}
	// Another client sees the same.
	other := independent(t, k, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"orders": {mine[0]: kgo.NewOffset().AtStart()}}))
	var seen []string
	for len(seen) < 4 {
		other.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) { seen = append(seen, string(r.Value)) })
	}
	if want := strings.ReplaceAll("aP bP aP bP", "P", fmt.Sprint(mine[0])); strings.Join(seen, " ") != want {
		t.Errorf("another client sees %q", seen)
	}
}

// Refusals are a partition's; the others of the request are not touched.
func TestPartitionErrors(t *testing.T) {
	k := cluster(t)
	c := connect(t, k, nil)
	broker := k.LeaderFor("orders", 0)
	elsewhere := leds(k, 1-broker)[0]
	b := batchOf(t, anonymous, "v")
	bad := append([]byte(nil), b...)
	bad[len(bad)-1] ^= 1
	r, err := c.Produce(t.Context(), &ProduceRequest{
		Broker: broker, Acks: AllReplicas, Timeout: 5 * time.Second,
		Partitions: []ProducePartition{{"orders", elsewhere, b}, {"orders", 0, b}, {"nothing", 0, b}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if e := r.Partitions; !errors.Is(e[0].Err, kafka.NotLeaderForPartition) || e[1].Err != nil || !errors.Is(e[2].Err, kafka.UnknownTopicOrPartition) {
		t.Errorf("%+v", e)
	}
	if r, err = c.Produce(t.Context(), &ProduceRequest{
		Broker: broker, Acks: AllReplicas, Timeout: 5 * time.Second, Partitions: []ProducePartition{{"orders", 0, bad}},
	}); err != nil || r.Partitions[0].Err == nil {
		t.Error("a damaged batch was taken", r, err)
	}
	f := fetchOrders(k, false, 0, elsewhere)
	f.Partitions = append(f.Partitions, FetchPartition{Topic: "orders", Partition: leds(k, broker)[1], Offset: 99, LeaderEpoch: -1, MaxBytes: 100})
	answer, err := c.Fetch(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Release()
	if e := answer.Partitions; e[0].Err != nil || !errors.Is(e[1].Err, kafka.NotLeaderForPartition) || !errors.Is(e[2].Err, kafka.OffsetOutOfRange) {
		t.Errorf("%+v", e)
	}
	for _, err := range []error{r.Partitions[0].Err, answer.Partitions[2].Err} {
		if errors.Is(err, kafka.OffsetOutOfRange) && Retriable(err) {
			t.Error("retriable:", err)
		}
	}
}

func TestReadCommitted(t *testing.T) {
	k := cluster(t)
	c := connect(t, k, nil)
	tx := independent(t, k, kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryAbort, kgo.TryCommit} {
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for _, v := range []string{"a", "b"} {
			r := &kgo.Record{Topic: "orders", Value: []byte(fmt.Sprint(v, i))}
			if err := tx.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	for committed, want := range map[bool]string{true: "a0 b0 a3 b3", false: "a0 b0 a1 b1 a2 b2 a3 b3"} {
		answer, err := c.Fetch(t.Context(), fetchOrders(k, committed, 0))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(values(t, &answer.Partitions[0], committed), " "); got != want {
			t.Errorf("committed %t: %q, want %q", committed, got, want)
		}
		answer.Release()
	}
}

// The producer's identity reaches the broker: a batch that is sent twice is
// stored once, a gap is refused.
func TestIdempotence(t *testing.T) {
	k := cluster(t)
	c := connect(t, k, nil)
	id, err := (&kafka.Client{Addr: c.addr, Transport: c.transport}).InitProducerID(t.Context(), &kafka.InitProducerIDRequest{TransactionTimeoutMs: 5000, ProducerID: -1, ProducerEpoch: -1})
	if err != nil {
		t.Fatal(err)
	}
	p := batch.Producer{ID: int64(id.Producer.ProducerID), Epoch: int16(id.Producer.ProducerEpoch)}
	first := batchOf(t, p, "a", "b")
	produce(t, c, k, 0, first)
	if at := produce(t, c, k, 0, first); at != 0 {
		t.Error("the second time at", at)
	}
	p.Sequence = batch.NextSequence(p.Sequence, 2)
	produce(t, c, k, 0, batchOf(t, p, "c"))
	p.Sequence = 9
	r, err := c.Produce(t.Context(), &ProduceRequest{
		Broker: k.LeaderFor("orders", 0), Acks: AllReplicas, Timeout: time.Second,
		Partitions: []ProducePartition{{"orders", 0, batchOf(t, p, "gap")}},
	})
	if err != nil || !errors.Is(r.Partitions[0].Err, kafka.OutOfOrderSequenceNumber) || Retriable(r.Partitions[0].Err) {
		t.Errorf("%+v, %v", r, err)
	}
	answer, err := c.Fetch(t.Context(), fetchOrders(k, false, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Release()
	if got := strings.Join(values(t, &answer.Partitions[0], false), " "); got != "a b c" {
		t.Errorf("stored %q", got)
	}
}

func TestMetadata(t *testing.T) {
	k := cluster(t, kfake.ClusterID("the-cluster"))
	c := connect(t, k, nil)
	m, err := c.Metadata(t.Context(), -1, "orders", "nothing")
	if err != nil {
		t.Fatal(err)
	}
	if m.ClusterID != "the-cluster" || len(m.Brokers) != 2 || len(m.Topics) != 2 {
		t.Fatalf("%+v", m)
	}
	for _, topic := range m.Topics {
		if topic.Name == "nothing" {
			if !errors.Is(topic.Err, kafka.UnknownTopicOrPartition) {
				t.Errorf("%+v", topic)
			}
			continue
		}
		if topic.Name != "orders" || topic.Err != nil || topic.ID == [16]byte{} || len(topic.Partitions) != 4 {
			t.Errorf("%+v", topic)
		}
		for _, p := range topic.Partitions {
			if p.Leader != k.LeaderFor("orders", p.Partition) {
				t.Errorf("%+v", p)
			}
		}
	}
	old := connect(t, cluster(t, kfake.MaxVersions(kversion.V2_5_0())), nil)
	if m, err = old.Metadata(t.Context(), -1, "orders"); err != nil || m.Topics[0].ID != [16]byte{} || len(m.Topics[0].Partitions) != 4 {
		t.Errorf("before topic ids: %+v, %v", m, err)
	}
}

func TestListOffsets(t *testing.T) {
	k := cluster(t)
	c := connect(t, k, nil)
	produce(t, c, k, 0, batchOf(t, anonymous, "a", "b", "c"))
	for at, want := range map[int64]int64{Earliest: 0, Latest: 3, 1_600_000_000_000: 0, 1_800_000_000_000: -1} {
		got, err := c.ListOffsets(t.Context(), &ListOffsetsRequest{
			Broker: k.LeaderFor("orders", 0), Topic: "orders",
			Partitions: []ListPartition{{0, -1, at}, {leds(k, 1-k.LeaderFor("orders", 0))[0], -1, at}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got[0].Err != nil || got[0].Offset != want || !errors.Is(got[1].Err, kafka.NotLeaderForPartition) {
			t.Errorf("time %d: %+v, want %d", at, got, want)
		}
	}
}

// An offset that an open transaction is about to commit is not told: its
// records would be read twice.
func TestOffsetFetch(t *testing.T) {
	k := cluster(t)
	c := connect(t, k, nil)
	fetch := func() CommittedOffset {
		t.Helper()
		got, err := c.OffsetFetch(t.Context(), k.CoordinatorFor("group"), "group", []TopicPartition{{"orders", 3}, {"orders", 0}})
		if err != nil {
			t.Fatal(err)
		}
		if got[0].Err == nil && got[0].Offset != -1 {
			t.Errorf("partition 3: %+v", got[0])
		}
		return got[1]
	}
	if got := fetch(); got.Err != nil || got.Offset != -1 || got.Metadata != "" {
		t.Errorf("%+v", got)
	}
	client := &kafka.Client{Addr: c.addr, Transport: c.transport}
	if r, err := client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{
		GroupID: "group", GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{"orders": {{Partition: 0, Offset: 5}}},
	}); err != nil || r.Topics["orders"][0].Error != nil {
		t.Fatal(err, r)
	}
	if got := fetch(); got.Err != nil || got.Offset != 5 {
		t.Errorf("%+v", got)
	}
	id, err := client.InitProducerID(t.Context(), &kafka.InitProducerIDRequest{
		TransactionalID: "tx", TransactionTimeoutMs: 10_000, ProducerID: -1, ProducerEpoch: -1,
	})
	if err != nil || id.Error != nil {
		t.Fatal(err, id)
	}
	producer, epoch := id.Producer.ProducerID, id.Producer.ProducerEpoch
	if r, err := client.AddOffsetsToTxn(t.Context(), &kafka.AddOffsetsToTxnRequest{
		TransactionalID: "tx", ProducerID: producer, ProducerEpoch: epoch, GroupID: "group",
	}); err != nil || r.Error != nil {
		t.Fatal(err, r)
	}
	if r, err := client.TxnOffsetCommit(t.Context(), &kafka.TxnOffsetCommitRequest{
		TransactionalID: "tx", ProducerID: producer, ProducerEpoch: epoch, GroupID: "group", GenerationID: -1,
		Topics: map[string][]kafka.TxnOffsetCommit{"orders": {{Partition: 0, Offset: 7, Metadata: "state"}}},
	}); err != nil || r.Topics["orders"][0].Error != nil {
		t.Fatal(err, r)
	}
	if got := fetch(); !errors.Is(got.Err, kafka.UnstableOffsetCommit) || !Retriable(got.Err) {
		t.Errorf("while the transaction is open: %+v", got)
	}
	if r, err := client.EndTxn(t.Context(), &kafka.EndTxnRequest{
		TransactionalID: "tx", ProducerID: producer, ProducerEpoch: epoch, Committed: true,
	}); err != nil || r.Error != nil {
		t.Fatal(err, r)
	}
	if got := fetch(); got.Err != nil || got.Offset != 7 || got.Metadata != "state" {
		t.Errorf("after it: %+v", got)
	}
}

func TestSupported(t *testing.T) {
	if err := connect(t, cluster(t), nil).Supported(t.Context()); err != nil {
		t.Error(err)
	}
	if err := connect(t, cluster(t, kfake.MaxVersions(kversion.V2_5_0())), nil).Supported(t.Context()); err != nil {
		t.Error("Kafka 2.5:", err)
	}
	k := cluster(t, kfake.MaxVersions(kversion.V2_4_0()))
	c := connect(t, k, nil)
	for _, err := range []error{
		c.Supported(t.Context()),
		func() error {
			_, err := c.OffsetFetch(t.Context(), 0, "group", []TopicPartition{{"orders", 0}})
			return err
		}(),
	} {
		old, ok := errors.AsType[*VersionError](err)
		if !ok || old.API != protocol.OffsetFetch || Retriable(err) || !strings.Contains(err.Error(), "Kafka 2.5 or later") {
			t.Error("Kafka 2.4:", err)
		}
	}
	k = cluster(t, kfake.MaxVersions(kversion.V2_0_0()))
	_, err := connect(t, k, nil).Fetch(t.Context(), fetchOrders(k, false, 0))
	if old, ok := errors.AsType[*VersionError](err); !ok || old.API != protocol.Fetch {
		t.Error("Kafka 2.0:", err)
	}
}

func TestNoSuchBroker(t *testing.T) {
	k := cluster(t)
	c := connect(t, k, nil)
	f := fetchOrders(k, false, 0)
	for broker, want := range map[int32]error{99: kafka.BrokerNotAvailable, -1: kafka.LeaderNotAvailable} {
		f.Broker = broker
		if _, err := c.Fetch(t.Context(), f); !errors.Is(err, want) || !Retriable(err) {
			t.Errorf("broker %d: %v", broker, err)
		}
	}
}

func TestRetriable(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{io.EOF, true},
		{io.ErrUnexpectedEOF, true},
		{ErrUnanswered, true},
		{ErrMalformed, false},
		{ErrAnswerTooLarge, false},
		{context.Canceled, false},
		{context.DeadlineExceeded, true},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, true},
		{&net.OpError{Op: "remote error", Err: tls.AlertError(42)}, false},
		{kafka.NotLeaderForPartition, true},
		{kafka.GroupLoadInProgress, true},
		{kafka.ConcurrentTransactions, true},
		{kafka.BrokerNotAvailable, true},
		{kafka.UnstableOffsetCommit, true},
		{kafka.ProducerFenced, false},
		{kafka.InvalidProducerEpoch, false},
		{kafka.TopicAuthorizationFailed, false},
		{kafka.SASLAuthenticationFailed, false},
		{kafka.MessageSizeTooLarge, false},
		{&VersionError{}, false},
	} {
		if got := Retriable(test.err); got != test.want {
			t.Errorf("%v: %t", test.err, got)
		}
		if test.err != nil {
			if got := Retriable(&Error{Err: test.err}); got != test.want {
				t.Errorf("wrapped %v: %t", test.err, got)
			}
		}
	}
}

func TestErrorSaysWhere(t *testing.T) {
	err := &Error{API: protocol.Fetch, Broker: 3, Err: io.EOF}
	if err.Error() != "Fetch, broker 3: EOF" || (&Error{API: protocol.Metadata, Broker: -1, Err: io.EOF}).Error() != "Metadata: EOF" {
		t.Error(err)
	}
	k := cluster(t)
	k.ControlKey(int16(protocol.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		return nil, errors.New("closed"), true
	})
	_, got := connect(t, k, nil).Fetch(t.Context(), fetchOrders(k, false, 0))
	if at, ok := errors.AsType[*Error](got); !ok || at.Broker != k.LeaderFor("orders", 0) || !Retriable(got) {
		t.Error(got)
	}
}
