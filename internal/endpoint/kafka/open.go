package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	connector "github.com/streamcrypt/streamcrypt/connectors/kafka"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

// topicKey is a topic in a session, however the hosts in its URL are called.
// The value is the role that it has.
type topicKey struct{ cluster, topic string }

// connect connects to the cluster and notes the role of the topic. A topic has
// one role in a route.
func (t *topic) connect(ctx context.Context, s *endpoint.Session) (*cluster.Cluster, error) {
	cluster, err := t.conn.connect(ctx, s)
	if err != nil || cluster.ID() == "" {
		return cluster, err
	}
	first, err := endpoint.Share(s, topicKey{cluster.ID(), t.topic}, func() (*topic, error) { return t, nil })
	if err == nil && first != t {
		err = fmt.Errorf("%s and %s are the same topic", first.as, t.as)
	}
	return cluster, err
}

// sourceOptions returns the options that the URL gives.
func (t *topic) sourceOptions(log *slog.Logger) connector.SourceOptions {
	return connector.SourceOptions{
		Topic: t.topic, Group: t.group, Start: t.start, Until: t.until,
		Partitions: t.partitions, Rack: t.rack, Session: t.session, Rebalance: t.rebalance, BrokerDeals: t.brokerDeals,
		CodecMemory: t.codecMemory, Log: log,
	}
}

// sinkOptions returns the options that the URL gives, for the messages or dead
// letters of in.
func (t *topic) sinkOptions(in *connector.Source, log *slog.Logger) connector.SinkOptions {
	return connector.SinkOptions{
		Topic: t.topic, Source: in, DeadLetters: t.as == endpoint.DeadLetters,
		Partition: t.partition, Delivery: t.delivery, Create: t.create, Expired: t.expired, Oversize: t.oversize,
		Compression: t.compression, Log: log,
	}
}

// OpenSource implements endpoint.Records.
func (t *topic) OpenSource(ctx context.Context, s *endpoint.Session) (*endpoint.Source, error) {
	in, err := t.inspectSource(ctx, s)
	if err != nil {
		return nil, err
	}
	return in, t.useCheckpoint(s, in)
}

// inspectSource opens the source, which changes nothing.
func (t *topic) inspectSource(ctx context.Context, s *endpoint.Session) (*endpoint.Source, error) {
	source, err := t.openSource(ctx, s)
	if err != nil {
		return nil, err
	}
	if half := s.Budget / 2; source.MaxBatch() > half {
		s.Log.Warn("kafka: a record batch of the topic may be larger than half a worker's budget, and then "+
			"holds more memory than is counted",
			"topic", t.topic, "max_message_bytes", source.MaxBatch(), "budget", s.Budget)
	}
	id, err := t.identify(source)
	if err != nil {
		return nil, err
	}
	bounded := t.until.Bounded()
	if bounded {
		s.Log.Info("the end of the run is fixed", "from", t.name, "until", source.DescribeEnds())
	}
	in := &endpoint.Source{
		Source: source, Identity: id, Name: fmt.Sprintf("kafka topic %s, %s", t.topic, id),
		Topics: source.Topics, Places: t.countPlaces(source),
		NumberPlace: numberPlace(source), IdentifyPlace: t.placeIdentities(source),
		IsCompacted: source.IsCompacted, Compressed: source.IsCompressed(),
		Ordered: source.Ordered(), Bounded: bounded, Lanes: source.MaxLanes(), Largest: source.MaxBatch(),
		LaneMemory: source.LaneMemory(),
		Losses:     source.Losses, FirstKept: source.FirstKept,
		MeasureProgress: func(settled int64) endpoint.Progress { return measureProgress(source, bounded, settled) },
	}
	t.tellStarts(source, in)
	return in, nil
}

func (t *topic) openSource(ctx context.Context, s *endpoint.Session) (*connector.Source, error) {
	c, err := t.connect(ctx, s)
	if err != nil {
		return nil, err
	}
	o := t.sourceOptions(s.Log)
	if o.Written, err = t.listWritten(ctx, s, c); err != nil {
		return nil, err
	}
	o.Announce, o.NoteCompressed = s.Announce, s.NoteCompressed
	o.Instance, o.Workers, o.OneLane, o.Grace = s.Instance, s.Workers, s.OneLane, s.Grace
	o.Observer, o.Stuck = s.Watch, s.Watch.ObserveStuck
	o.Wait, o.Compares = s.Patience.Limit(), s.Compares
	o.LargestRecord = s.Budget / 2 // the other half is for its transformed copy
	return connector.NewSource(ctx, c, o)
}

// listWritten lists the topics that the route writes in the cluster that it
// reads.
func (t *topic) listWritten(ctx context.Context, s *endpoint.Session, c *cluster.Cluster) ([]connector.NameMap, error) {
	if !t.reads.MayBeSeveral() {
		return nil, nil
	}
	var written []connector.NameMap
	for _, end := range s.Written {
		to, ok := end.(*topic)
		if !ok {
			continue
		}
		other, err := to.connect(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", to.as, err)
		}
		if other.IsSame(c) {
			written = append(written, to.writes)
		}
	}
	return written, nil
}

// measureProgress tells of a run with an end how far that is away as far as
// the brokers say: offsets of records that are no messages are counted until
// they are reached.
func measureProgress(source *connector.Source, bounded bool, settled int64) endpoint.Progress {
	p := endpoint.Progress{Done: settled, Unit: endpoint.Messages}
	if !bounded {
		return p
	}
	p.Total = settled
	for _, partition := range source.Status() {
		p.Total += partition.Lag()
	}
	return p
}

// countPlaces returns how many places there are, if they may be many.
func (t *topic) countPlaces(source *connector.Source) int {
	if !t.reads.MayBeSeveral() {
		return 0
	}
	return source.PartitionCount()
}

// identify returns the identity of the source as a whole; nil for several
// topics.
func (t *topic) identify(source *connector.Source) (endpoint.Identity, error) {
	if t.reads.MayBeSeveral() {
		return nil, nil
	}
	return identifyTopic(source.Identity())
}

// placeIdentities returns a function for endpoint.Source.IdentifyPlace; nil for
// one topic.
func (t *topic) placeIdentities(source *connector.Source) func(place string) endpoint.Identity {
	if !t.reads.MayBeSeveral() {
		return nil
	}
	cluster, _ := source.Identity()
	return func(place string) endpoint.Identity {
		topic, _, ok := source.Partition(place)
		if !ok {
			return nil
		}
		id, err := identifyTopic(cluster, topic)
		if err != nil {
			return nil
		}
		return id
	}
}

// numberPlace returns a function for endpoint.Source.NumberPlace.
func numberPlace(source *connector.Source) func(place string) (int32, bool) {
	return func(place string) (int32, bool) {
		_, number, ok := source.Partition(place)
		return number, ok
	}
}

// identifyTopic returns the identity of a topic (docs/envelope.md, section 3),
// or nil for one without an id: of a broker that is too old for them.
func identifyTopic(cluster string, topic [16]byte) (endpoint.Identity, error) {
	if topic == ([16]byte{}) {
		return nil, nil
	}
	return endpoint.EncodeIdentity("kafka", cluster, topic[:])
}

// OpenSink implements endpoint.Records.
func (t *topic) OpenSink(ctx context.Context, s *endpoint.Session, in *endpoint.Source) (*endpoint.Sink, error) {
	c, err := t.connect(ctx, s)
	if err != nil {
		return nil, err
	}
	source, _ := in.Source.(*connector.Source)
	o := t.sinkOptions(source, s.Log)
	o.Observer = s.Watch
	if t.as == endpoint.To {
		o.Growth = s.Growth
	}
	sink, err := connector.NewSink(ctx, c, o)
	if err != nil {
		return nil, err
	}
	out := t.describeSink(sink)
	if t.as == endpoint.To {
		delivery := "at-least-once"
		if sink.ExactlyOnce() {
			delivery = "exactly-once"
		}
		s.Log.Info("kafka destination", "topic", t.topic, "delivery", delivery)
	}
	return out, nil
}

// describeSink returns the sink with its properties.
func (t *topic) describeSink(sink *connector.Sink) *endpoint.Sink {
	return &endpoint.Sink{
		Sink: sink, Check: sink.Check, MapSubject: mapToNone, LaneMemory: sink.LaneMemory(),
		KeepsLastValues: sink.KeepsLastValues,
		OpenPeekers: func(ctx context.Context, place string) ([]endpoint.Peeker, error) {
			peekers, err := sink.OpenPeekers(ctx, place)
			return toPeekers(peekers), err
		},
		HoldsRecords: sink.HoldsRecords,
		MayRepeat:    t.delivery == connector.AtLeastOnce,
	}
}

// mapToNone leaves a record without a subject, also if it had one where it
// came from.
func mapToNone(dst, _ []byte) ([]byte, error) { return dst, nil }

var errNotBounded = errors.New("a sample needs an end")

// OpenPeekers implements endpoint.Sampler.
func (t *topic) OpenPeekers(ctx context.Context, s *endpoint.Session) ([]endpoint.Peeker, error) {
	if !t.until.Bounded() {
		return nil, errNotBounded
	}
	source, err := t.openSource(ctx, s)
	if err != nil {
		return nil, err
	}
	peekers, err := source.Peekers(ctx)
	if err != nil {
		return nil, err
	}
	return toPeekers(peekers), nil
}

func toPeekers(peekers []*connector.Peeker) []endpoint.Peeker {
	out := make([]endpoint.Peeker, len(peekers))
	for i, p := range peekers {
		out[i] = p
	}
	return out
}
