package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/membership"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// patient is how long tests wait for what takes milliseconds, but much more on
// a machine that has other things to do.
const patient = time.Minute

// broker is a Kafka cluster in this process, and a client of it that is not
// ours.
type broker struct {
	*kfake.Cluster
	t            testing.TB
	tls          *tls.Config
	refresh      time.Duration // see cluster.Options
	transactions int           // that tests have begun
}

func startBroker(t testing.TB, opts ...kfake.Opt) *broker {
	t.Helper()
	opts = append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second)}, opts...)
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &broker{Cluster: c, t: t}
}

func (b *broker) topic(name string, partitions int) {
	b.t.Helper()
	if err := b.CreateTopic(name, int32(partitions), nil); err != nil {
		b.t.Fatal(err)
	}
}

// destination makes a topic that takes envelopes of what a topic takes.
func (b *broker) destination(name string, partitions int) {
	b.t.Helper()
	config := map[string]string{"max.message.bytes": strconv.Itoa(defaultMaxBatch + 512)}
	if err := b.CreateTopic(name, int32(partitions), config); err != nil {
		b.t.Fatal(err)
	}
}

var quiet = slog.New(slog.DiscardHandler)

// connect returns a way to the cluster; dial may be nil.
func (b *broker) connect(dial func(context.Context, string, string) (net.Conn, error)) *cluster.Cluster {
	b.t.Helper()
	o := cluster.Options{Brokers: b.ListenAddrs(), Dial: dial, Refresh: b.refresh, Log: b.log()}
	if b.tls != nil {
		o.TLS = func() (*tls.Config, error) { return b.tls, nil }
	}
	c, err := cluster.Connect(b.t.Context(), o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(c.Close)
	return c
}

// log writes to the test's log as long as that is allowed.
func (b *broker) log() *slog.Logger {
	if !testing.Verbose() {
		return quiet
	}
	w := &testWriter{t: b.t}
	b.t.Cleanup(func() { w.over.Store(true) })
	return slog.New(slog.NewTextHandler(w, nil))
}

type testWriter struct {
	t    testing.TB
	over atomic.Bool
}

func (w *testWriter) Write(p []byte) (int, error) {
	if !w.over.Load() {
		w.t.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

// source opens a Source that notices rebalances quickly.
func (b *broker) source(c *cluster.Cluster, o SourceOptions) *Source {
	b.t.Helper()
	if o.Log == nil {
		o.Log = b.log()
	}
	if o.Session == 0 && o.Group != "" {
		o.Session = 2 * time.Second
	}
	s, err := NewSource(b.t.Context(), c, o)
	if err != nil {
		b.t.Fatal(err)
	}
	s.timing = timing{
		transaction: 10 * time.Millisecond, timeout: 10 * time.Second, pause: time.Second,
		watch: 100 * time.Millisecond, leaders: time.Second, told: 10 * time.Second, urgent: time.Minute, giveUp: time.Hour,
	}
	return s
}

func (b *broker) sink(c *cluster.Cluster, o SinkOptions) *Sink {
	b.t.Helper()
	if o.Log == nil {
		o.Log = b.log()
	}
	s, err := NewSink(b.t.Context(), c, o)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// client returns franz-go's client.
func (b *broker) client(opts ...kgo.Opt) *kgo.Client {
	b.t.Helper()
	opts = append(opts, kgo.SeedBrokers(b.ListenAddrs()...))
	if b.tls != nil {
		opts = append(opts, kgo.DialTLSConfig(b.tls))
	}
	c, err := kgo.NewClient(opts...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(c.Close)
	return c
}

// record is m as franz-go writes it.
func record(topic string, partition int32, m *pipeline.Message) *kgo.Record {
	r := &kgo.Record{Topic: topic, Partition: partition, Key: m.Key, Value: m.Value, Timestamp: m.Time}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
	}
	return r
}

// put writes messages with franz-go, dealt out to partitions one by one.
func (b *broker) put(topic string, partitions int, msgs []pipeline.Message, opts ...kgo.Opt) {
	b.t.Helper()
	c := b.client(append([]kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	rs := make([]*kgo.Record, len(msgs))
	for i := range msgs {
		rs[i] = record(topic, int32(i%partitions), &msgs[i])
	}
	if err := c.ProduceSync(b.t.Context(), rs...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
	c.Close()
}

// numbered are n messages that carry their number and are otherwise small.
func numbered(first, n int) []pipeline.Message {
	msgs := make([]pipeline.Message, n)
	for i := range msgs {
		msgs[i] = pipeline.Message{Key: []byte("k"), Value: fmt.Appendf(nil, "%08d", first+i)}
	}
	return msgs
}

// number is what numbered wrote.
func number(m *pipeline.Message) int { return pipelinetest.Index(m) }

// committed reads what a consumer of committed records sees of a topic, with
// franz-go. It waits for open transactions to end.
func (b *broker) committed(topic string) []pipeline.Message {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patient)
	defer cancel()
	left := make(map[int32]int64) // by partition, the last offset
	starts := make(map[int32]kgo.Offset)
	for _, p := range b.PartitionInfos(topic) {
		if p.HighWatermark > p.LogStartOffset {
			left[p.Partition] = p.HighWatermark - 1
		}
		starts[p.Partition] = kgo.NewOffset().AtStart()
	}
	c := b.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond))
	defer c.Close()
	var msgs []pipeline.Message
	for len(left) > 0 {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			b.t.Fatalf("reading %s back, %v left: %v", topic, left, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if last, ok := left[r.Partition]; ok && r.Offset >= last {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				msgs = append(msgs, message(r))
			}
		})
	}
	return msgs
}

func message(r *kgo.Record) pipeline.Message {
	m := pipeline.Message{
		Key: r.Key, Value: r.Value, Time: r.Timestamp.UTC(),
		Origin: pipeline.Origin{Place: cluster.PlaceOf(r.Topic, r.Partition), Offset: r.Offset, Previous: -1},
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, pipeline.Header{Name: h.Key, Value: h.Value})
	}
	return m
}

// onceInOrder checks that msgs are 0..n-1, each once, and within each place in
// order.
func onceInOrder(msgs []pipeline.Message, n int) error {
	seen := make([]bool, n)
	last := make(map[string]int)
	for i := range msgs {
		k := number(&msgs[i])
		place := msgs[i].Origin.Place
		switch before, ok := last[place]; {
		case k < 0 || k >= n:
			return fmt.Errorf("message %d was never sent", k)
		case seen[k]:
			return fmt.Errorf("message %d is there twice", k)
		case ok && k < before:
			return fmt.Errorf("%s: message %d comes after %d", place, k, before)
		}
		seen[k], last[place] = true, k
	}
	if i := slices.Index(seen, false); i >= 0 {
		return fmt.Errorf("message %d is missing, of %d there are %d", i, n, len(msgs))
	}
	return nil
}

// run is a pipeline that runs until it is stopped.
type run struct {
	t      testing.TB
	cancel context.CancelFunc
	ended  chan struct{}
	err    error
}

func identity(o pipeline.Options) pipeline.Options {
	if o.NewTransform == nil {
		o.NewTransform = pipelinetest.Identity
	}
	if o.Log == nil {
		o.Log = quiet
	}
	return o
}

func start(t testing.TB, o pipeline.Options) *run {
	ctx, cancel := context.WithCancel(t.Context())
	r := &run{t: t, cancel: cancel, ended: make(chan struct{})}
	o = identity(o)
	go func() {
		defer close(r.ended)
		r.err = pipeline.Run(ctx, o)
	}()
	t.Cleanup(func() { _ = r.stop() })
	return r
}

func (r *run) stop() error {
	r.cancel()
	<-r.ended
	return r.err
}

// eventually waits for something that a program outside of our control does.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patient); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting for %s", what)
		}
		time.Sleep(5 * time.Millisecond) // polling, not synchronising: done decides
	}
}

// finish runs a bounded pipeline to its end.
func finish(t testing.TB, o pipeline.Options) error {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), patient, errors.New("did not end by itself"))
	defer cancel()
	err := pipeline.Run(ctx, identity(o))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// offsetOf is what a group has committed.
func (b *broker) offsetOf(group, topic string, partition int32) int64 {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = group
	rt := kmsg.NewOffsetFetchRequestTopic()
	rt.Topic, rt.Partitions = topic, []int32{partition}
	req.Topics = append(req.Topics, rt)
	rg := kmsg.NewOffsetFetchRequestGroup()
	rg.Group = group
	rgt := kmsg.NewOffsetFetchRequestGroupTopic()
	rgt.Topic, rgt.Partitions = topic, []int32{partition}
	rg.Topics = append(rg.Topics, rgt)
	req.Groups = append(req.Groups, rg)
	res, err := req.RequestWith(b.t.Context(), b.client())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, g := range res.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				return p.Offset
			}
		}
	}
	return -1
}

// rebalance makes the members of a group share their partitions with one that
// comes and goes, and returns when it has gone.
func (b *broker) rebalance(group string) {
	b.t.Helper()
	info := b.GroupInfo(group)
	if info == nil {
		return
	}
	members := len(info.Members)
	src := b.source(b.connect(nil), SourceOptions{Topic: "in", Group: group})
	guest := &guest{}
	m, err := membership.New(src.memberOptions(guest))
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	b.eventually("a guest in the group", func() bool {
		i := b.GroupInfo(group)
		return len(i.Members) > members && i.State == "Stable" && m.Identity().Generation >= 0 && !guest.isWaiting(i)
	})
	stop()
	if err := errors.Join(<-ended, m.Leave(b.t.Context())); err != nil {
		b.t.Error(err)
	}
}

// guest holds partitions and does nothing with them.
type guest struct {
	mu   sync.Mutex
	held int
}

func (g *guest) Take(ps []membership.Assigned) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held += len(ps)
}

func (g *guest) Release(_ context.Context, ps []membership.Partition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held -= len(ps)
}

func (g *guest) Drop(ps []membership.Partition) { g.Release(context.Background(), ps) }

// isWaiting tells whether a guest has yet to get a partition that it is due:
// one of two at least, if there are more than members.
func (g *guest) isWaiting(info *kfake.GroupInfo) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held == 0 && len(info.Commits["in"]) >= len(info.Members)
}

// expel has a group forget its members, which hear of it with their next
// request.
func (b *broker) expel(group string) {
	b.t.Helper()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = group
	for _, m := range b.GroupInfo(group).Members {
		member := kmsg.NewLeaveGroupRequestMember()
		member.MemberID = m.MemberID
		req.Members = append(req.Members, member)
	}
	if _, err := req.RequestWith(b.t.Context(), b.client()); err != nil {
		b.t.Fatal(err)
	}
}

// anonymous is the producer of a batch that is neither idempotent nor in a
// transaction.
var anonymous = batch.Producer{ID: -1, Epoch: -1, Sequence: -1}
