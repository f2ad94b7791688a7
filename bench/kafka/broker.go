package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const brokerImage = "apache/kafka:4.3.1"

// broker is one broker that is its own controller, and the client that the
// bench itself uses to ask it.
type broker struct {
	container string
	address   string
	contended string // the address for contenders
	roots     string // file of certificates, if contenders speak TLS
	pid       int
	client    *kgo.Client
}

// startBroker starts an empty broker. It uses the host's network, since a
// published port costs processor time of its own, and it listens on loopback
// only. Its data is in memory, since the work of a disk would disturb every
// other turn. It speaks TLS too, with a certificate of folder.
func startBroker(ctx context.Context, s *settings, folder string) (_ *broker, err error) {
	ports, err := freePorts(ctx, 3)
	if err != nil {
		return nil, err
	}
	if err := writeCertificate(folder); err != nil {
		return nil, err
	}
	address, controller, secure := "127.0.0.1:"+ports[0], "127.0.0.1:"+ports[1], "127.0.0.1:"+ports[2]
	b := &broker{
		container: "streamcrypt-bench-kafka-" + strconv.Itoa(os.Getpid()),
		address:   address, contended: address,
	}
	if s.tls {
		b.contended, b.roots = secure, filepath.Join(folder, rootFile)
	}
	args := []string{
		"run", "--rm", "--detach", "--name", b.container, "--network", "host", "--user", "root",
		"--tmpfs", "/bench-data:size=8g", "--volume", folder + ":" + keyedFolder + ":ro",
	}
	if s.oneCore {
		args = append(args, "--cpuset-cpus", brokerCore)
	}
	for _, env := range []string{
		"KAFKA_NODE_ID=1",
		"KAFKA_PROCESS_ROLES=broker,controller",
		"KAFKA_CONTROLLER_QUORUM_VOTERS=1@" + controller,
		"KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER",
		"KAFKA_LISTENERS=PLAINTEXT://" + address + ",SECURE://" + secure + ",CONTROLLER://" + controller,
		"KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://" + address + ",SECURE://" + secure,
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SSL",
		"KAFKA_SSL_KEYSTORE_TYPE=PEM",
		"KAFKA_SSL_KEYSTORE_LOCATION=" + keyedFolder + "/" + keyedFile,
		"KAFKA_LOG_DIRS=/bench-data/logs",
		"KAFKA_LOG_SEGMENT_DELETE_DELAY_MS=1000",
		"KAFKA_AUTO_CREATE_TOPICS_ENABLE=false",
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1",
		"KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS=4",
		"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1",
		"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1",
		"KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS=4",
		"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0",
		"KAFKA_LOG_RETENTION_MS=-1",
		"KAFKA_HEAP_OPTS=-Xms1g -Xmx1g",
	} {
		args = append(args, "--env", env)
	}
	if _, err := runDocker(ctx, append(args, brokerImage)...); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w; removing the broker: %w", err, b.removeContainer())
		}
	}()
	pid, err := runDocker(ctx, "inspect", "--format", "{{.State.Pid}}", b.container)
	if err != nil {
		return nil, err
	}
	if b.pid, err = strconv.Atoi(pid); err != nil {
		return nil, err
	}
	b.client, err = kgo.NewClient(kgo.SeedBrokers(address), kgo.ClientID("bench"))
	if err != nil {
		return nil, err
	}
	return b, b.awaitReady(ctx)
}

// awaitReady waits until the broker answers.
func (b *broker) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := b.client.Ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the broker does not answer: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// removeContainer removes the container and all its content, also after an
// interruption.
func (b *broker) removeContainer() error {
	if b.client != nil {
		b.client.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := runDocker(ctx, "rm", "--force", "--volumes", b.container)
	return err
}

// runDocker runs a command of the container engine and returns its output.
func runDocker(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...) //nolint:gosec // our own words
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, bytes.TrimSpace(out))
	}
	return string(bytes.TrimSpace(out)), nil
}

func freePorts(ctx context.Context, n int) ([]string, error) {
	var ports []string
	for range n {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() //nolint:errcheck // nothing was sent
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}
