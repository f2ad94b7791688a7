package testcontainers

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The broker listens for clients on two ports. What the second one says of
// where it is leads through a proxy.
const (
	kafkaPort   = "9092/tcp"
	proxiedPort = "9095/tcp"
)

// kafkaServer is one broker that is its own controller, with a client that is
// not ours.
type kafkaServer struct {
	container *testcontainers.DockerContainer
	address   string
	proxy     *kafkaProxy
	client    *kgo.Client
}

// startKafka starts a broker. It keeps its address when it is started again:
// the host's port is chosen beforehand, since a broker must tell clients where
// it is. Settings in more replace those of all tests.
func startKafka(t *testing.T, more map[string]string) *kafkaServer {
	t.Helper()
	needEngine(t)
	port, behind := freePort(t), freePort(t)
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	proxy := startKafkaProxy(t)
	proxy.upstream = net.JoinHostPort("127.0.0.1", strconv.Itoa(behind))
	env := map[string]string{
		"KAFKA_NODE_ID":                                  "1",
		"KAFKA_PROCESS_ROLES":                            "broker,controller",
		"KAFKA_CONTROLLER_QUORUM_VOTERS":                 "1@localhost:9093",
		"KAFKA_CONTROLLER_LISTENER_NAMES":                "CONTROLLER",
		"KAFKA_LISTENERS":                                "CLIENTS://:9092,PROXIED://:9095,CONTROLLER://:9093,BROKERS://localhost:9094",
		"KAFKA_ADVERTISED_LISTENERS":                     "CLIENTS://" + address + ",PROXIED://" + proxy.address() + ",BROKERS://localhost:9094",
		"KAFKA_INTER_BROKER_LISTENER_NAME":               "BROKERS", // a broker talks to itself about transactions
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP":           "CLIENTS:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT,BROKERS:PLAINTEXT",
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR":         "1",
		"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
		"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR":            "1",
		"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS":         "0",
		"KAFKA_LOG_RETENTION_MS":                         "-1", // the tests' records are years old
		"KAFKA_HEAP_OPTS":                                "-Xms256m -Xmx512m",
	}
	maps.Copy(env, more)
	c, err := testcontainers.Run(t.Context(), "apache/kafka:4.3.1",
		testcontainers.WithExposedPorts(kafkaPort, proxiedPort),
		testcontainers.WithHostConfigModifier(func(h *container.HostConfig) {
			loopback := netip.MustParseAddr("127.0.0.1")
			h.PortBindings = network.PortMap{
				network.MustParsePort(kafkaPort):   {{HostIP: loopback, HostPort: strconv.Itoa(port)}},
				network.MustParsePort(proxiedPort): {{HostIP: loopback, HostPort: strconv.Itoa(behind)}},
			}
		}),
		// The start script writes configuration files, which not every build of
		// the image lets its own user do.
		testcontainers.WithConfigModifier(func(c *container.Config) { c.User = "root" }),
		testcontainers.WithEnv(env),
		whenStarted(),
	)
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		t.Fatal(err)
	}
	k := &kafkaServer{container: c, address: address, proxy: proxy}
	k.client = k.connect(t)
	k.ready(t)
	return k
}

// whenStarted has a broker count as started when its log says so. The wait for
// a log has a limit of its own: a minute, which is too short on a busy machine.
func whenStarted() testcontainers.CustomizeRequestOption {
	return testcontainers.WithWaitStrategyAndDeadline(patience,
		wait.ForLog("Kafka Server started").WithStartupTimeout(patience))
}

// takenPorts are the ports that freePort has returned.
var takenPorts sync.Map

// freePort returns a port that nobody listens on. It is below those that the
// system gives to outgoing connections (from 32768 on Linux), any of which
// could be taken before the server listens.
func freePort(t *testing.T) int {
	t.Helper()
	const first, count = 20000, 12000
	for range 1000 {
		port := first + rand.IntN(count)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, taken := takenPorts.LoadOrStore(port, true); !taken {
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// ready waits until the broker answers.
func (k *kafkaServer) ready(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for k.client.Ping(ctx) != nil {
		select {
		case <-ctx.Done():
			t.Fatal("the broker does not answer")
		case <-time.After(50 * time.Millisecond): // asked again; the answer decides
		}
	}
}

// restart ends the broker as an operator would, and starts it again.
func (k *kafkaServer) restart(t *testing.T) {
	t.Helper()
	grace := 2 * time.Minute // on a busy machine it is killed after less
	begin := time.Now()
	if err := k.container.Stop(t.Context(), &grace); err != nil {
		t.Fatal(err)
	}
	state, err := k.container.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the broker ended after %v with code %d", time.Since(begin).Round(time.Millisecond), state.ExitCode)
	if state.ExitCode == 137 {
		t.Fatal("the broker was killed: what a single broker forgets then is not the matter of this test")
	}
	if err := k.container.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	k.ready(t)
}

func (k *kafkaServer) connect(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	// A broker that is killed closes connections that it has just taken, too,
	// which the client would take for a wrong port.
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(k.address), kgo.AlwaysRetryEOF()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// url names a topic as the command does.
func (k *kafkaServer) url(topic string) string { return "kafka://" + k.address + "/" + topic }

// topic makes a topic; config is pairs.
func (k *kafkaServer) topic(t *testing.T, name string, partitions int32, config ...string) {
	t.Helper()
	createTopic(t, k.client, name, partitions, 1, config)
}

// createTopic makes a topic; config is pairs.
func createTopic(t *testing.T, c *kgo.Client, name string, partitions int32, replicas int16, config []string) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, replicas
	for i := 0; i+1 < len(config); i += 2 {
		one := kmsg.NewCreateTopicsRequestTopicConfig()
		one.Name, one.Value = config[i], &config[i+1]
		topic.Configs = append(topic.Configs, one)
	}
	req.Topics = append(req.Topics, topic)
	res, err := req.RequestWith(t.Context(), c)
	if err != nil || res.Topics[0].ErrorCode != 0 {
		t.Fatalf("topic %s: %v, %+v", name, err, res)
	}
}

// ends are the offsets behind the last record of each partition, of open
// transactions too.
func (k *kafkaServer) ends(t *testing.T, topic string, partitions int32) []int64 {
	t.Helper()
	return k.offsets(t, topic, partitions, 0)
}

// stable are the offsets that a consumer of committed records gets to.
func (k *kafkaServer) stable(t *testing.T, topic string, partitions int32) []int64 {
	t.Helper()
	return k.offsets(t, topic, partitions, 1)
}

func (k *kafkaServer) offsets(t *testing.T, topic string, partitions int32, isolation int8) []int64 {
	t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = isolation
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = topic
	for p := range partitions {
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp = p, -1
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	res, err := req.RequestWith(t.Context(), k.client)
	if err != nil {
		t.Fatal(err)
	}
	ends := make([]int64, partitions)
	for _, p := range res.Topics[0].Partitions {
		if p.ErrorCode != 0 {
			t.Fatalf("%s/%d: error %d", topic, p.Partition, p.ErrorCode)
		}
		ends[p.Partition] = p.Offset
	}
	return ends
}

// read gives see all that a consumer of committed records sees of a topic up to
// now, in order per partition.
func (k *kafkaServer) read(t *testing.T, topic string, partitions int32, see func(*kgo.Record)) {
	t.Helper()
	k.readAll(t, topic, partitions, func(r *kgo.Record) {
		if !r.Attrs.IsControl() {
			see(r)
		}
	})
}

// readAll is read with the control records, which end transactions.
func (k *kafkaServer) readAll(t *testing.T, topic string, partitions int32, see func(*kgo.Record)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	left := map[int32]int64{}
	starts := map[int32]kgo.Offset{}
	for p, end := range k.ends(t, topic, partitions) {
		if end > 0 {
			left[int32(p)] = end - 1
		}
		starts[int32(p)] = kgo.NewOffset().AtStart()
	}
	c := k.connect(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	defer c.Close()
	for len(left) > 0 {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("reading %s, left are %v: %v", topic, left, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if last, ok := left[r.Partition]; ok && r.Offset >= last {
				delete(left, r.Partition)
			}
			see(r)
		})
	}
}

// place names a record in messages of tests.
func place(r *kgo.Record) string { return fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset) }
