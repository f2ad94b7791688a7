package testcontainers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	networktypes "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tcexec "github.com/testcontainers/testcontainers-go/exec"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// faultCluster is three brokers. Members of groups reach each of them through a
// proxy, and must name themselves; the checker reaches them directly. The
// client of kafkaServer is the checker's.
type faultCluster struct {
	*kafkaServer
	brokers [3]*faultBroker
	peers   *testcontainers.DockerNetwork // between the brokers
	engine  *testcontainers.DockerClient
}

// faultBroker is a broker that can be killed, stopped and cut off without an
// end of its container: its data lies in memory.
type faultBroker struct {
	id        int32
	name      string // among its peers
	container *testcontainers.DockerContainer
	direct    string // HOST:PORT
	proxy     *kafkaProxy
}

// superviseBroker starts the broker again whenever it has ended, unless it is
// to be down.
const superviseBroker = `trap 'kill -9 $pid; exit' TERM
while :; do
  while [ -e /tmp/down ]; do sleep 0.1; done
  /etc/kafka/docker/run & pid=$!
  echo $pid > /tmp/pid
  wait $pid
  echo "broker ended: $?"
done`

const (
	appUser     = "app"
	appPassword = "app-secret"
)

// startFaultCluster starts the brokers. All of them are voters of the metadata
// quorum.
func startFaultCluster(t *testing.T) *faultCluster {
	t.Helper()
	needEngine(t)
	engine, err := testcontainers.NewDockerClientWithOpts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	c := &faultCluster{engine: engine}
	clients := newNetwork(t)
	c.peers = newNetwork(t, network.WithInternal())
	var started sync.WaitGroup
	var failed [3]error
	for i := range c.brokers {
		b := &faultBroker{id: int32(i + 1), name: fmt.Sprintf("b%d", i+1), proxy: startKafkaProxy(t)}
		c.brokers[i] = b
		run := b.prepare(t, clients, c.peers)
		started.Go(func() { b.container, failed[i] = run(t.Context()) })
	}
	started.Wait()
	for _, b := range c.brokers {
		testcontainers.CleanupContainer(t, b.container, testcontainers.StopTimeout(time.Second))
		if b.container != nil {
			b.keepLog(t) // before the container is gone
		}
	}
	if err := errors.Join(failed[:]...); err != nil {
		t.Fatal(err)
	}
	c.kafkaServer = &kafkaServer{address: c.brokers[0].direct}
	c.client = c.dial(t)
	c.ready(t)
	return c
}

func newNetwork(t *testing.T, opts ...network.NetworkCustomizer) *testcontainers.DockerNetwork {
	t.Helper()
	n, err := network.New(t.Context(), opts...)
	testcontainers.CleanupNetwork(t, n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// prepare returns what starts the broker's container.
func (b *faultBroker) prepare(
	t *testing.T, clients, peers *testcontainers.DockerNetwork,
) func(context.Context) (*testcontainers.DockerContainer, error) {
	port, behind := freePort(t), freePort(t)
	b.direct = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	b.proxy.upstream = net.JoinHostPort("127.0.0.1", strconv.Itoa(behind))
	publish := func(h *container.HostConfig) {
		loopback := netip.MustParseAddr("127.0.0.1")
		h.PortBindings = networktypes.PortMap{
			networktypes.MustParsePort(kafkaPort):   {{HostIP: loopback, HostPort: strconv.Itoa(port)}},
			networktypes.MustParsePort(proxiedPort): {{HostIP: loopback, HostPort: strconv.Itoa(behind)}},
		}
		h.Tmpfs = map[string]string{"/data": "size=1g"}
	}
	env := map[string]string{
		"CLUSTER_ID":                           "5L6g3nShT-eMCtK--X86sw",
		"KAFKA_NODE_ID":                        strconv.Itoa(int(b.id)),
		"KAFKA_PROCESS_ROLES":                  "broker,controller",
		"KAFKA_CONTROLLER_QUORUM_VOTERS":       "1@b1:9093,2@b2:9093,3@b3:9093",
		"KAFKA_CONTROLLER_LISTENER_NAMES":      "CONTROLLER",
		"KAFKA_LISTENERS":                      "CLIENTS://:9092,PROXIED://:9095,PEERS://:9094,CONTROLLER://:9093",
		"KAFKA_ADVERTISED_LISTENERS":           "CLIENTS://" + b.direct + ",PROXIED://" + b.proxy.address() + ",PEERS://" + b.name + ":9094",
		"KAFKA_INTER_BROKER_LISTENER_NAME":     "PEERS",
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CLIENTS:PLAINTEXT,PROXIED:SASL_PLAINTEXT,PEERS:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"KAFKA_SASL_ENABLED_MECHANISMS":        "PLAIN",
		"KAFKA_LISTENER_NAME_PROXIED_PLAIN_SASL_JAAS_CONFIG": fmt.Sprintf(
			`org.apache.kafka.common.security.plain.PlainLoginModule required user_%s="%s";`, appUser, appPassword),
		"KAFKA_AUTHORIZER_CLASS_NAME":                    "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"KAFKA_SUPER_USERS":                              "User:ANONYMOUS", // brokers and the checker
		"KAFKA_LOG_DIRS":                                 "/data/logs",
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR":         "3",
		"KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS":             "5",
		"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "3",
		"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR":            "2",
		"KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS":     "5",
		"KAFKA_MIN_INSYNC_REPLICAS":                      "2",
		"KAFKA_LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS":  "10", // leaders come back soon, which is one more disturbance
		"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS":         "0",
		"KAFKA_LOG_RETENTION_MS":                         "-1", // the tests' records are years old
		"KAFKA_HEAP_OPTS":                                "-Xms256m -Xmx256m",
		"KAFKA_JVM_PERFORMANCE_OPTS":                     "-XX:+UseSerialGC -XX:TieredStopAtLevel=1", // three on few cores
	}
	maps.Copy(env, brokerSettings(t))
	return func(ctx context.Context) (*testcontainers.DockerContainer, error) {
		return testcontainers.Run(ctx, "apache/kafka:4.3.1",
			testcontainers.WithExposedPorts(kafkaPort, proxiedPort),
			testcontainers.WithHostConfigModifier(publish),
			testcontainers.WithConfigModifier(func(c *container.Config) { c.User = "root" }),
			testcontainers.WithEnv(env),
			testcontainers.WithCmd("sh", "-c", superviseBroker),
			network.WithNetwork(nil, clients),
			network.WithNetwork([]string{b.name}, peers),
			testcontainers.WithWaitStrategyAndDeadline(patience, wait.ForLog("Kafka Server started")),
		)
	}
}

// dial makes a client of the checker's that knows all brokers.
func (c *faultCluster) dial(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	seeds := make([]string, len(c.brokers))
	for i, b := range c.brokers {
		seeds[i] = b.direct
	}
	return c.connect(t, append([]kgo.Opt{
		kgo.SeedBrokers(seeds...), kgo.MetadataMinAge(250 * time.Millisecond), kgo.MetadataMaxAge(2 * time.Second),
		kgo.RequestTimeoutOverhead(3 * time.Second), kgo.DialTimeout(3 * time.Second),
	}, opts...)...)
}

// url names a topic as members do that know some of the brokers to begin with.
func (c *faultCluster) url(topic string, brokers ...*faultBroker) string {
	seeds := make([]string, len(brokers))
	for i, b := range brokers {
		seeds[i] = b.proxy.address()
	}
	return "kafka://" + strings.Join(seeds, ",") + "/" + topic
}

// topic makes a topic with three replicas; config is pairs.
func (c *faultCluster) topic(t *testing.T, name string, partitions int32, config ...string) {
	t.Helper()
	createTopic(t, c.client, name, partitions, 3, config)
}

// inside runs a command in the broker's container.
func (b *faultBroker) inside(t *testing.T, script string) string {
	t.Helper()
	code, out, err := b.container.Exec(t.Context(), []string{"sh", "-c", script}, tcexec.Multiplexed())
	if err != nil {
		t.Fatalf("%s: %v", b.name, err)
	}
	text, _ := io.ReadAll(out)
	if code != 0 {
		t.Fatalf("%s: %s: exit code %d: %s", b.name, script, code, text)
	}
	return string(text)
}

// kill takes the broker away; raise has it started again.
func (b *faultBroker) kill(t *testing.T) { b.inside(t, "touch /tmp/down; kill -9 $(cat /tmp/pid)") }

func (b *faultBroker) raise(t *testing.T) { b.inside(t, "rm -f /tmp/down") }

// restart ends the broker as an operator would. It is started again at once.
func (b *faultBroker) restart(t *testing.T) {
	b.inside(t, "p=$(cat /tmp/pid); kill $p; while [ -d /proc/$p ]; do sleep 0.1; done")
}

// pause stops the broker's process; its connections stay open.
func (b *faultBroker) pause(t *testing.T) { b.inside(t, "kill -STOP $(cat /tmp/pid)") }

func (b *faultBroker) resume(t *testing.T) { b.inside(t, "kill -CONT $(cat /tmp/pid)") }

// fillDisk leaves the broker no room, and freeDisk gives it back.
func (b *faultBroker) fillDisk(t *testing.T) {
	b.inside(t, "dd if=/dev/zero of=/data/filler bs=1M 2>/dev/null; dd if=/dev/zero of=/data/crumbs bs=512 2>/dev/null; true")
}

func (b *faultBroker) freeDisk(t *testing.T) { b.inside(t, "rm -f /data/filler /data/crumbs") }

// cutOff takes the broker out of the network of its peers. Clients still reach
// it.
func (c *faultCluster) cutOff(t *testing.T, b *faultBroker) {
	t.Helper()
	options := client.NetworkDisconnectOptions{Container: b.container.GetContainerID(), Force: true}
	if _, err := c.engine.NetworkDisconnect(t.Context(), c.peers.ID, options); err != nil {
		t.Fatal(err)
	}
}

func (c *faultCluster) join(t *testing.T, b *faultBroker) {
	t.Helper()
	options := client.NetworkConnectOptions{
		Container: b.container.GetContainerID(), EndpointConfig: &networktypes.EndpointSettings{Aliases: []string{b.name}},
	}
	if _, err := c.engine.NetworkConnect(t.Context(), c.peers.ID, options); err != nil {
		t.Fatal(err)
	}
}

// leader returns the broker that leads a partition.
func (c *faultCluster) leader(t *testing.T, topic string, partition int) *faultBroker {
	t.Helper()
	var found *faultBroker
	c.eventually(t, "a leader", func(ctx context.Context) bool {
		req := kmsg.NewPtrMetadataRequest()
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &topic
		req.Topics = append(req.Topics, rt)
		res, err := req.RequestWith(ctx, c.client)
		if err != nil || len(res.Topics[0].Partitions) == 0 {
			return false
		}
		for _, p := range res.Topics[0].Partitions {
			if int(p.Partition) == partition && p.Leader > 0 {
				found = c.brokers[p.Leader-1]
			}
		}
		return found != nil
	})
	return found
}

// coordinator returns the broker that coordinates a group, or a transactional
// id.
func (c *faultCluster) coordinator(t *testing.T, of string, transactional bool) *faultBroker {
	t.Helper()
	var found *faultBroker
	c.eventually(t, "a coordinator", func(ctx context.Context) bool {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorKey, req.CoordinatorKeys = of, []string{of}
		if transactional {
			req.CoordinatorType = 1
		}
		res, err := req.RequestWith(ctx, c.client)
		if err != nil {
			return false
		}
		node := res.NodeID
		if len(res.Coordinators) > 0 {
			node = res.Coordinators[0].NodeID
		}
		if node > 0 {
			found = c.brokers[node-1]
		}
		return found != nil
	})
	return found
}

// whole tells whether every partition of the cluster is on all brokers. Its
// answer is that of the controller's log.
func (c *faultCluster) whole(ctx context.Context) bool {
	req := kmsg.NewPtrMetadataRequest()
	res, err := req.RequestWith(ctx, c.client)
	if err != nil || len(res.Brokers) < len(c.brokers) || len(res.Topics) == 0 {
		return false
	}
	for _, topic := range res.Topics {
		if slices.ContainsFunc(topic.Partitions, func(p kmsg.MetadataResponseTopicPartition) bool {
			return p.Leader < 0 || len(p.ISR) < len(c.brokers)
		}) {
			return false
		}
	}
	return true
}

// knows tells whether every broker has heard of the topics of the suite.
func (c *faultCluster) knows(ctx context.Context) bool {
	for _, b := range c.brokers {
		req := kmsg.NewPtrMetadataRequest()
		for _, topic := range faultTopics {
			rt := kmsg.NewMetadataRequestTopic()
			rt.Topic = &topic
			req.Topics = append(req.Topics, rt)
		}
		answer, err := c.client.Broker(int(b.id)).Request(ctx, req)
		if err != nil {
			return false
		}
		for _, topic := range answer.(*kmsg.MetadataResponse).Topics {
			if topic.ErrorCode != 0 {
				return false
			}
		}
	}
	return true
}

// eventually asks until something is so.
func (c *faultCluster) eventually(t *testing.T, what string, is func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !is(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, patience)
		case <-time.After(50 * time.Millisecond): // asked again; the answer decides
		}
	}
}
