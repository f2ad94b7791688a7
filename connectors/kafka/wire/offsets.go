package wire

import (
	"context"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
)

// ListOffsets asks for the offset of a time, in milliseconds since 1970, or of
// one of these.
const (
	Latest   int64 = -1 // behind the last record, or the last stable one with Committed
	Earliest int64 = -2
)

// ListOffsetsRequest asks the leader of partitions of one topic.
type ListOffsetsRequest struct {
	Broker     int32
	Committed  bool // read_committed
	Topic      string
	Partitions []ListPartition
}

// ListPartition is what is asked about a partition.
type ListPartition struct {
	Partition   int32
	LeaderEpoch int32 // -1 if unknown
	Time        int64
}

// ListedOffset is the answer for a partition.
type ListedOffset struct {
	// Err is nil, a kafka.Error or ErrUnanswered.
	Err error
	// Offset is that of the first record with the time or a later one; -1 if
	// there is none.
	Offset int64
	// Time is that record's; -1 for Latest and Earliest.
	Time int64
}

// ListOffsets answers the partitions of the request, one by one.
func (c *Client) ListOffsets(ctx context.Context, request *ListOffsetsRequest) ([]ListedOffset, error) {
	x := &exchange{api: protocol.ListOffsets, version: listOffsetsVersion}
	request.encode(&x.request)
	if _, err := c.do(ctx, x, toBroker(request.Broker), c.Timeout); err != nil {
		return nil, err
	}
	listed, err := request.decode(x.body)
	if err != nil {
		return nil, &Error{API: protocol.ListOffsets, Broker: request.Broker, Err: err}
	}
	return listed, nil
}

// encode writes ListOffsets version 5.
func (l *ListOffsetsRequest) encode(e *encoder) {
	e.int32(-1) // we are no replica
	e.bool(l.Committed)
	groups(e, len(l.Partitions), func(int) string { return l.Topic }, func(i int) {
		e.int32(l.Partitions[i].Partition)
		e.int32(l.Partitions[i].LeaderEpoch)
		e.int64(l.Partitions[i].Time)
	})
}

// decode reads ListOffsets version 5.
func (l *ListOffsetsRequest) decode(b []byte) ([]ListedOffset, error) {
	listed := refill[ListedOffset](nil, len(l.Partitions), ListedOffset{Err: ErrUnanswered, Offset: -1, Time: -1})
	name := func(i int) (string, int32) { return l.Topic, l.Partitions[i].Partition }
	find := finder{n: len(l.Partitions), name: name}
	d := decoder{b: b}
	d.int32() // throttle
	for topics := d.array(6); topics > 0; topics-- {
		topic := d.raw()
		for n := d.array(26); n > 0; n-- {
			i := find.index(&d, topic, d.int32())
			if d.bad {
				break
			}
			listed[i] = ListedOffset{Err: codeError(d.int16()), Time: d.int64(), Offset: d.int64()}
			d.int32() // leader epoch
		}
	}
	return listed, d.end()
}

// CommittedOffset is what a group has committed for a partition.
type CommittedOffset struct {
	// Err is nil, a kafka.Error or ErrUnanswered.
	Err         error
	Offset      int64 // -1 if nothing has been committed
	LeaderEpoch int32 // -1 if unknown
	Metadata    string
}

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// OffsetFetch asks a group's coordinator for the offsets committed for
// partitions, and answers them one by one. A partition whose offset
// is part of a transaction that is still open has the error
// UnstableOffsetCommit (KIP-447): otherwise who takes the partition over would
// read again what the open transaction is about to commit.
func (c *Client) OffsetFetch(
	ctx context.Context, broker int32, group string, partitions []TopicPartition,
) ([]CommittedOffset, error) {
	partitions = slices.Clone(partitions) // prepare may run after the caller has left
	x := &exchange{api: protocol.OffsetFetch, version: offsetFetchVersion}
	x.prepare = func(peer *dial.Peer) error {
		if err := needVersion(peer, protocol.OffsetFetch, offsetFetchVersion); err != nil {
			return err
		}
		x.request = encoder{flexible: true}
		encodeOffsetFetch(&x.request, group, partitions)
		return nil
	}
	if _, err := c.do(ctx, x, toBroker(broker), c.Timeout); err != nil {
		return nil, err
	}
	committed, err := decodeOffsetFetch(partitions, x.body)
	if err != nil {
		return nil, &Error{API: protocol.OffsetFetch, Broker: -1, Err: err}
	}
	return committed, nil
}

// encodeOffsetFetch writes OffsetFetch version 7.
func encodeOffsetFetch(e *encoder, group string, partitions []TopicPartition) {
	e.string(group)
	groups(e, len(partitions), func(i int) string { return partitions[i].Topic }, func(i int) {
		e.int32(partitions[i].Partition)
	})
	e.bool(true) // require stable
	e.tags()
}

// decodeOffsetFetch reads OffsetFetch version 7.
func decodeOffsetFetch(partitions []TopicPartition, b []byte) ([]CommittedOffset, error) {
	unanswered := CommittedOffset{Err: ErrUnanswered, Offset: -1, LeaderEpoch: -1}
	committed := refill[CommittedOffset](nil, len(partitions), unanswered)
	find := finder{n: len(partitions), name: func(i int) (string, int32) {
		return partitions[i].Topic, partitions[i].Partition
	}}
	d := decoder{b: b, flexible: true}
	d.int32() // throttle
	for topics := d.array(3); topics > 0; topics-- {
		name := d.raw()
		for n := d.array(20); n > 0; n-- {
			i := find.index(&d, name, d.int32())
			if d.bad {
				break
			}
			committed[i] = CommittedOffset{
				Offset: d.int64(), LeaderEpoch: d.int32(), Metadata: d.string(), Err: codeError(d.int16()),
			}
			d.tags()
		}
		d.tags()
	}
	code := d.int16()
	d.tags()
	if err := d.end(); err != nil {
		return nil, err
	}
	if kafka.Error(code) == kafka.GroupIdNotFound {
		// A group that does not exist has committed nothing. Not every broker
		// takes it for an error.
		return refill(committed, len(partitions), CommittedOffset{Offset: -1, LeaderEpoch: -1}), nil
	}
	return committed, codeError(code)
}
