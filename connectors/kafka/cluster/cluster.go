package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
)

// connectPatience is how long Connect tries brokers that cannot be reached.
const connectPatience = 15 * time.Second

// createTimeout is how long a request to create a topic may take until the
// topic is seen.
const createTimeout = 10 * time.Second

// maxHangUps is how many times brokers may hang up on Connect before that
// counts as an answer.
const maxHangUps = 5

// Cluster is a way to a cluster. Sources and Sinks may share it.
type Cluster struct {
	options   Options
	dialer    *dial.Dialer
	transport *kafkago.Transport
	wire      *wire.Client
	id        string
	log       *slog.Logger

	coordinators coordinatorTable
	entrances    entrances
	brokers      brokerTable
	deleted      deletedTopics
	quotas       quotas
}

// Connect reaches a cluster and checks that its brokers are recent enough. An
// error of the brokers, such as a wrong password, is returned at once, one of
// the network after 15 s. Later on brokers that refuse a connection are asked
// again, with growing pauses.
func Connect(ctx context.Context, o Options) (*Cluster, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Cluster{options: o, log: o.Log, entrances: entrances{configured: o.Brokers, log: o.Log}}
	c.dialer = dial.New(dial.Options{ClientID: o.ClientID, TLS: o.TLS, SASL: o.SASL, Dial: o.Dial})
	// The layout of topics is ours to watch (see Topic): the transport only has
	// to know the brokers.
	c.transport = c.newTransport([]string{})
	c.wire = wire.New(c.transport, clusterAddress{})
	if err := c.meetBrokers(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("kafka %s: %w", strings.Join(o.Brokers, ","), err)
	}
	return c, nil
}

// dialTimeout is how long a connection may take with all of its steps, of which
// one may ask another service for a token.
const dialTimeout = 10 * time.Second

// newTransport returns a transport that knows the given topics. TLS and SASL
// are the dialer's.
func (c *Cluster) newTransport(topics []string) *kafkago.Transport {
	return &kafkago.Transport{
		Dial: c.dialAddress, DialTimeout: dialTimeout, ClientID: c.options.ClientID,
		MetadataTopics: topics, MetadataTTL: 5 * time.Second,
	}
}

// dialAddress opens a connection to a broker, or to any one of the cluster.
func (c *Cluster) dialAddress(ctx context.Context, network, address string) (net.Conn, error) {
	if network != clusterNetwork {
		return c.dialMember(ctx, address)
	}
	return c.entrances.open(ctx, c.dialMember)
}

// dialMember opens a connection to a broker of the cluster. A name or an
// address that led to it before may lead into another cluster by now, which
// takes the same requests.
func (c *Cluster) dialMember(ctx context.Context, address string) (net.Conn, error) {
	conn, err := c.dialer.DialMember(ctx, brokerNetwork, address, c.entrances.knownID())
	return conn, c.explainDial(address, err)
}

// explainDial adds to the error of a connection that an address which nobody
// configured is one that the brokers gave.
func (c *Cluster) explainDial(address string, err error) error {
	op, ok := errors.AsType[*net.OpError](err)
	if ok && op.Op == "dial" && !slices.Contains(c.options.Brokers, address) {
		return fmt.Errorf("%w (brokers reached through %s advertise %s: see advertised.listeners)",
			err, strings.Join(c.options.Brokers, ","), address)
	}
	return err
}

func (c *Cluster) meetBrokers(ctx context.Context) error {
	tooLate := errors.New("not reached within " + connectPatience.String())
	ctx, cancel := context.WithTimeoutCause(ctx, connectPatience, tooLate)
	defer cancel()
	r := c.NewRetry("connect")
	for hangUps := 0; ; {
		err := c.meetOnce(ctx)
		if err == nil {
			return nil
		}
		if _, refused := errors.AsType[*dial.RefusedError](err); refused {
			return err
		}
		if errors.Is(err, dial.ErrMalformed) {
			return fmt.Errorf("connect: %w", err) // it is another service's port, for all we know
		}
		if isHangUp(err) {
			if hangUps++; hangUps == maxHangUps {
				return fmt.Errorf("%w: %w", dial.ErrHungUp, err)
			}
		}
		if err := r.Wait(ctx, err); err != nil {
			return err
		}
	}
}

// meetOnce asks one broker for the versions that it speaks and for the
// cluster's id.
func (c *Cluster) meetOnce(ctx context.Context) error {
	if err := c.wire.Supported(ctx); err != nil {
		return err
	}
	m, err := c.AskMetadata(ctx)
	if err == nil {
		c.id = m.ClusterID
	}
	return err
}

// AskMetadata asks any broker about topics, once.
func (c *Cluster) AskMetadata(ctx context.Context, topics ...string) (*wire.Metadata, error) {
	broker := c.anyBroker()
	m, err := c.wire.Metadata(ctx, broker, topics...)
	return c.noteMetadata(ctx, broker, m, err)
}

// AskAllMetadata asks any broker, once, about every topic that the user may
// describe.
func (c *Cluster) AskAllMetadata(ctx context.Context) (*wire.Metadata, error) {
	broker := c.anyBroker()
	m, err := c.wire.AllMetadata(ctx, broker)
	return c.noteMetadata(ctx, broker, m, err)
}

func (c *Cluster) noteMetadata(
	ctx context.Context, broker int32, m *wire.Metadata, err error,
) (*wire.Metadata, error) {
	if err != nil {
		if ctx.Err() == nil {
			c.NoteDoubt(broker)
		}
		return nil, err
	}
	if !c.entrances.learn(m) {
		// The connection was opened before the id was known. Others may have
		// been as well.
		c.transport.CloseIdleConnections()
		return nil, dial.ErrOtherCluster
	}
	c.noteBrokers(m.Brokers)
	return m, nil
}

func isHangUp(err error) bool {
	return errors.Is(err, dial.ErrHungUp) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// ID returns the cluster's id, which does not depend on the names of its
// brokers; empty if the brokers have none.
func (c *Cluster) ID() string { return c.id }

// Options returns the options that the Cluster was connected with, defaults
// filled in.
func (c *Cluster) Options() Options { return c.options }

// Dialer returns what opens the connections.
func (c *Cluster) Dialer() *dial.Dialer { return c.dialer }

// Wire returns the client for the requests of the record path.
func (c *Cluster) Wire() *wire.Client { return c.wire }

// Close closes the connections. Sources and Sinks of the cluster must have
// ended.
func (c *Cluster) Close() { c.transport.CloseIdleConnections() }

// IsSame tells whether two ways lead to one cluster.
func (c *Cluster) IsSame(other *Cluster) bool {
	return c == other || c.id != "" && c.id == other.id
}

// RetryCall calls do until it succeeds, fails for good or ctx is done.
func (c *Cluster) RetryCall(ctx context.Context, what string, do func(context.Context) error) error {
	return c.RetryExplained(ctx, what, nil, do)
}

// RetryExplained does the same. Explain returns attributes for the log that say
// more about a request that may wait for ever; it may be nil.
func (c *Cluster) RetryExplained(
	ctx context.Context, what string, explain func(context.Context) []any, do func(context.Context) error,
) error {
	r := c.NewRetry(what)
	r.explain = explain
	for {
		err := do(ctx)
		if err == nil {
			r.Reset()
			return nil
		}
		if err := r.Wait(ctx, err); err != nil {
			return err
		}
	}
}
