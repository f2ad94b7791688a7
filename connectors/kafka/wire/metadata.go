package wire

import (
	"context"
	"slices"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
)

// Metadata is who leads what, as a broker sees it now.
type Metadata struct {
	ClusterID  string
	Controller int32
	Brokers    []Broker
	Topics     []Topic // of the topics asked for, in any order
}

// Broker is a broker of the cluster.
type Broker struct {
	ID   int32
	Host string
	Port int32
	Rack string
}

// Topic is a topic and its partitions.
type Topic struct {
	Name       string
	ID         [16]byte // zero before Kafka 2.8
	Err        error    // nil or a kafka.Error
	Internal   bool
	Partitions []Partition // in any order
}

// Partition is a partition and who has it. Leader is -1 while there is none.
type Partition struct {
	Partition   int32
	Err         error // nil or a kafka.Error
	Leader      int32
	LeaderEpoch int32
	Replicas    []int32
	InSync      []int32
}

// metadataLimit is how long a broker may take to say who leads. Another one
// knows it as well.
const metadataLimit = 5 * time.Second

// Metadata asks a broker about topics, past the Transport's cache, or any one
// if its number is below zero. Topics are not created by asking.
func (c *Client) Metadata(ctx context.Context, broker int32, topics ...string) (*Metadata, error) {
	topics = slices.Clone(topics) // they may be encoded after the caller has left
	return c.askMetadata(ctx, broker, func(e *encoder, version int16) { encodeMetadata(e, version, topics) })
}

// AllMetadata does the same for every topic that the user may describe.
func (c *Client) AllMetadata(ctx context.Context, broker int32) (*Metadata, error) {
	return c.askMetadata(ctx, broker, encodeAllTopics)
}

func encodeAllTopics(e *encoder, _ int16) {
	e.nullArray()
	encodeWishes(e)
}

func (c *Client) askMetadata(ctx context.Context, broker int32, encode func(*encoder, int16)) (*Metadata, error) {
	x := &exchange{api: protocol.Metadata}
	x.prepare = prepareMetadata(x, encode)
	if _, err := c.do(ctx, x, toAnyOr(broker), min(c.Timeout, metadataLimit)); err != nil {
		return nil, err
	}
	m := &Metadata{}
	if err := m.decode(x.version, x.body); err != nil {
		return nil, &Error{API: protocol.Metadata, Broker: -1, Err: err}
	}
	return m, nil
}

func prepareMetadata(x *exchange, encode func(*encoder, int16)) func(*dial.Peer) error {
	return func(peer *dial.Peer) error {
		x.version = topicIDVersion
		if needVersion(peer, protocol.Metadata, topicIDVersion) != nil {
			x.version = metadataVersion
		}
		if err := needVersion(peer, protocol.Metadata, x.version); err != nil {
			return err
		}
		x.request = encoder{flexible: true}
		encode(&x.request, x.version)
		return nil
	}
}

// encodeMetadata writes Metadata version 9 or 10.
func encodeMetadata(e *encoder, version int16, topics []string) {
	e.array(len(topics))
	for _, topic := range topics {
		if version >= topicIDVersion {
			e.b = append(e.b, make([]byte, 16)...)
		}
		e.string(topic)
		e.tags()
	}
	encodeWishes(e)
}

// encodeWishes writes the end of a request: nothing is to be made, and nothing
// is asked about permissions.
func encodeWishes(e *encoder) {
	e.bool(false) // create topics
	e.bool(false) // permissions on the cluster
	e.bool(false) // permissions on topics
	e.tags()
}

// decode reads Metadata version 9 or 10.
func (m *Metadata) decode(version int16, b []byte) error {
	d := decoder{b: b, flexible: true}
	d.int32() // throttle
	for n := d.array(11); n > 0; n-- {
		m.Brokers = append(m.Brokers, Broker{ID: d.int32(), Host: d.string(), Port: d.int32(), Rack: d.string()})
		d.tags()
	}
	m.ClusterID = d.string()
	m.Controller = d.int32()
	for n := d.array(10); n > 0; n-- {
		m.Topics = append(m.Topics, decodeTopic(&d, version))
	}
	d.int32() // permissions on the cluster
	d.tags()
	return d.end()
}

func decodeTopic(d *decoder, version int16) Topic {
	t := Topic{Err: codeError(d.int16()), Name: d.string()}
	if version >= topicIDVersion {
		copy(t.ID[:], d.take(16))
	}
	t.Internal = d.int8() != 0
	for n := d.array(18); n > 0; n-- {
		p := Partition{Err: codeError(d.int16()), Partition: d.int32(), Leader: d.int32(), LeaderEpoch: d.int32()}
		p.Replicas, p.InSync = decodeIDs(d), decodeIDs(d)
		decodeIDs(d) // offline
		d.tags()
		t.Partitions = append(t.Partitions, p)
	}
	d.int32() // permissions on the topic
	d.tags()
	return t
}

func decodeIDs(d *decoder) []int32 {
	n := d.array(4)
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = d.int32()
	}
	return ids
}
