package nats

import (
	"context"
	"fmt"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// sourceOptions returns the options that the URL gives.
func (n *stream) sourceOptions() connector.SourceOptions {
	return connector.SourceOptions{
		Stream: n.stream, Consumer: n.consumer, Filters: n.filters,
		Start: n.start, UntilEnd: n.untilEnd, AckWait: n.ackWait, Shared: n.shared, LeaseBucket: n.lease,
		DropTTL: n.dropTTL,
	}
}

// sinkOptions returns the options that the URL gives.
func (n *stream) sinkOptions() connector.SinkOptions {
	return connector.SinkOptions{
		Stream: n.stream, Subjects: n.subjects, Create: n.create, CreateSubjects: n.takes,
		Publish: n.publish, SyncAlways: n.sync,
	}
}

// OpenSource implements endpoint.Records.
func (n *stream) OpenSource(ctx context.Context, s *endpoint.Session) (*endpoint.Source, error) {
	conn, err := n.connect(ctx, s)
	if err != nil {
		return nil, err
	}
	o := n.sourceOptions()
	o.ReadAhead, o.Log, o.Observer = s.ReadAhead, s.Log, s.Watch
	o.Instance, o.Route, o.Sealed, o.HasGate = s.Instance, s.To, s.Opens, s.Opens && !s.Seals
	if o.State, err = n.openState(ctx, s); err != nil {
		return nil, err
	}
	var source *connector.Source
	err = n.awaitLeaders(ctx, s, func(ctx context.Context) (err error) {
		source, err = connector.NewSource(ctx, conn, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	if _, err := endpoint.Share(s, sourceKey{}, func() (*connector.Source, error) { return source, nil }); err != nil {
		return nil, err
	}
	name, created := source.Identity()
	id, err := identifyStream(source.Domain(), name, created, source.FilterSubjects(), s.Mapping)
	return &endpoint.Source{
		Source: source, Identity: id, Name: n.Traits().Identity,
		RisingTerms: true, IsCompacted: func(string) bool { return source.IsCompacted() },
		Losses: source.Losses, Compressed: source.IsCompressed(),
		Ordered: source.Ordered(), Bounded: n.untilEnd, Lanes: 1, Largest: source.ReadAheadBytes(),
		AckWait: source.ConsumerAckWait(),
		MeasureProgress: func(settled int64) endpoint.Progress {
			p := endpoint.Progress{Done: settled, Unit: endpoint.Messages}
			if n.untilEnd {
				p.Total = int64(source.Backlog())
			}
			return p
		},
	}, err
}

// identifyStream returns the identity of a stream as a route reads it
// (docs/envelope.md, section 3).
func identifyStream(
	domain, stream string, createdUnixNano int64, filters []string, mapping string,
) (endpoint.Identity, error) {
	if filters == nil {
		filters = []string{}
	}
	return endpoint.EncodeIdentity("nats", domain, stream, createdUnixNano, filters, mapping)
}

// OpenSink implements endpoint.Records.
func (n *stream) OpenSink(ctx context.Context, s *endpoint.Session, in *endpoint.Source) (*endpoint.Sink, error) {
	conn, err := n.connect(ctx, s)
	if err != nil {
		return nil, err
	}
	o := n.sinkOptions()
	o.SourceAckWait, o.Growth = in.AckWait, s.Growth
	// Dead letters are read by people: an effect in them has none.
	o.Plain = n.as == endpoint.To && !s.Seals
	if n.as == endpoint.To {
		o.IsOurs = s.IsSameMessage
	}
	o.Log, o.Observer = s.Log, s.Watch
	source, _ := endpoint.Share(s, sourceKey{}, func() (*connector.Source, error) { return nil, errNoStream })
	if source != nil {
		o.Like = source.Config()
	}
	var sink *connector.Sink
	err = n.awaitLeaders(ctx, s, func(ctx context.Context) (err error) {
		if o.IDs, err = n.nameMessages(ctx, conn, source, s, in); err != nil {
			return err
		}
		sink, err = connector.NewSink(ctx, conn, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	if sink.KeepsLastValues() && source != nil && !source.Ordered() && n.as == endpoint.To {
		return nil, hint.New("shared=true promises no order, and stream "+n.stream+
			" keeps the last values of each subject: an old value that comes late would become the present one",
			"leave out shared=true; more speed is a consumer with a part of the subjects for each process")
	}
	for _, w := range sink.Warnings() {
		s.Log.Warn(w)
	}
	return &endpoint.Sink{
		Sink: sink, Check: sink.Check, MapSubject: n.mapSubject,
		KeepsLastValues: func(string) bool { return sink.KeepsLastValues() },
	}, nil
}

// mapSubject appends the subject under which a message is published. A subject
// that cannot be mapped is the message's fault. It is not the message's fault
// that it has none where none is configured.
func (n *stream) mapSubject(dst, own []byte) ([]byte, error) {
	out, err := n.subjects.Map(dst, own)
	if err != nil && len(own) > 0 {
		return dst, &pipeline.Reject{Reason: "header", Err: fmt.Errorf("header: %w", err)}
	}
	return out, err
}

// OpenPeekers implements endpoint.Sampler.
func (n *stream) OpenPeekers(ctx context.Context, s *endpoint.Session) ([]endpoint.Peeker, error) {
	conn, err := n.connect(ctx, s)
	if err != nil {
		return nil, err
	}
	p, err := connector.NewPeeker(ctx, conn, n.sourceOptions())
	if err != nil {
		return nil, err
	}
	return []endpoint.Peeker{p}, nil
}
