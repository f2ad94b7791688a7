package nats

import (
	"context"
	"errors"
	"fmt"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/checkpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// sourceOptions returns the options that the URL gives.
func (n *stream) sourceOptions() connector.SourceOptions {
	return connector.SourceOptions{
		Stream: n.stream, Consumer: n.consumer, Filters: n.filters,
		Start: n.startOf(), UntilEnd: n.isBounded(), Until: n.untilOf(), AckWait: n.ackWait, Shared: n.shared,
		LeaseBucket: n.lease,
		DropTTL:     n.dropTTL,
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
	if n.isSeveral() {
		return n.openSeveral(ctx, s)
	}
	source, in, err := n.openOne(ctx, s)
	if err != nil {
		return nil, err
	}
	return in, errors.Join(shareSources(s, []*connector.Source{source}), n.answerService(s, source.Conn()))
}

// openOne opens a source of one stream.
func (n *stream) openOne(ctx context.Context, s *endpoint.Session) (*connector.Source, *endpoint.Source, error) {
	conn, err := n.connect(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	o := n.sourceOptions()
	o.ReadAhead, o.Log, o.Observer = s.ReadAhead, s.Log, s.Watch
	o.Instance, o.Route, o.Sealed, o.Announce = s.Instance, s.To, s.Opens, s.Announce
	o.HasGate, o.Compares = s.HasGate, s.Compares
	if o.State, err = n.openState(ctx, s); err != nil {
		return nil, nil, err
	}
	if s.Checkpoint != "" && n.keepsCheckpoint() {
		o.OpenCheckpoint = func(of *connector.Source) (connector.Checkpoint, error) { return n.openCheckpoint(s, of) }
	}
	var source *connector.Source
	err = n.awaitLeaders(ctx, s, func(ctx context.Context) (err error) {
		source, err = connector.NewSource(ctx, conn, o)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	n.warnOfOtherSubjects(s, source)
	if n.isBounded() {
		s.Log.Info("the end of the run is fixed", "from", n.name, "until", fmt.Sprintf("%s@%d", n.stream, source.End()))
	}
	id, err := identifySource(source, s)
	return source, &endpoint.Source{
		Topics: func() []string { return []string{n.stream} },
		Source: source, Identity: id, Name: n.nameFor(id),
		RisingTerms: true, IsCompacted: func(string) bool { return source.IsCompacted() },
		Losses: source.Losses, FirstKept: source.FirstKept,
		Compressed: source.IsCompressed(), Markers: source.HasMarkers(),
		Ordered: source.Ordered(), Bounded: n.isBounded(), Lanes: 1, Largest: source.ReadAheadBytes(),
		AckWait: source.ConsumerAckWait(), SealedSubject: n.sealedSubject(),
		MeasureProgress: n.measureBacklog(source.Backlog),
	}, err
}

// identifySource returns the identity of an open stream.
func identifySource(source *connector.Source, s *endpoint.Session) (endpoint.Identity, error) {
	name, created := source.Identity()
	return identifyStream(source.Domain(), name, created, source.FilterSubjects(), s.Mapping)
}

// nameFor is how a checkpoint names the stream: a stream that was made anew has
// another name.
func (n *stream) nameFor(id endpoint.Identity) string {
	return fmt.Sprintf("%s, %s", n.Traits().Identity, id)
}

// keepsCheckpoint tells whether a checkpoint can keep how far the source was
// read.
func (n *stream) keepsCheckpoint() bool { return n.as == endpoint.From && !n.shared && !n.isSeveral() }

// openCheckpoint opens the checkpoint of the route for an open stream.
func (n *stream) openCheckpoint(s *endpoint.Session, of *connector.Source) (connector.Checkpoint, error) {
	id, err := identifySource(of, s)
	if err != nil {
		return nil, err
	}
	return checkpoint.Open(s, n.nameFor(id), s.To)
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
	if n.template.IsMapped() {
		return n.openTemplate(ctx, s, in)
	}
	var source *connector.Source // of several, dead letters have the ids of the first
	if sources := openedStreams(s); len(sources) > 0 {
		source = sources[0]
	}
	_, out, err := n.openOneSink(ctx, s, in, source)
	return out, err
}

// openOneSink opens a sink that is one stream, for the messages of source; nil
// for a source that is no stream.
func (n *stream) openOneSink(
	ctx context.Context, s *endpoint.Session, in *endpoint.Source, source *connector.Source,
) (*connector.Sink, *endpoint.Sink, error) {
	conn, err := n.connect(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	if err := n.checkLoop(conn, openedStreams(s)); err != nil {
		return nil, nil, err
	}
	o := n.sinkOptions()
	o.SourceAckWait, o.Growth = in.AckWait, s.Growth
	// Dead letters are read by people: an effect in them has none.
	o.Plain = n.as == endpoint.To && !s.Seals
	if n.as == endpoint.To {
		o.IsOurs = s.IsSameMessage
	}
	o.Log, o.Observer = s.Log, s.Watch
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
		return nil, nil, err
	}
	if sink.KeepsLastValues() && source != nil && !source.Ordered() && n.as == endpoint.To {
		return nil, nil, hint.New("shared=true promises no order, and stream "+n.stream+
			" keeps the last values of each subject: an old value that comes late would become the present one",
			"leave out shared=true; more speed is a consumer with a part of the subjects for each process")
	}
	if n.as == endpoint.To && s.Seals && source != nil && source.Consumer == "" && sink.Messages() > 0 {
		s.Log.Warn("a run without consumer= begins anew, and the destination holds messages: of an earlier run, only "+
			"those count as duplicates that were sealed for the same keys within the stream's duplicates window; "+
			"all others are stored a second time", "stream", n.stream, "messages", sink.Messages())
	}
	for _, w := range sink.Warnings() {
		s.Log.Warn(w)
	}
	return sink, &endpoint.Sink{
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

// sealedSubject returns a function for endpoint.Source.SealedSubject.
func (n *stream) sealedSubject() func(dst, subject []byte) ([]byte, error) {
	if n.was == (connector.SubjectMap{}) {
		return nil
	}
	return func(dst, subject []byte) ([]byte, error) {
		out, err := n.was.Map(dst, subject)
		if err != nil {
			return dst, &pipeline.Reject{Reason: "header", Err: fmt.Errorf("header: subject-was: %w", err)}
		}
		return out, nil
	}
}

// warnOfOtherSubjects says that a stream changes subjects, if it holds
// envelopes and the URL does not say which they had.
func (n *stream) warnOfOtherSubjects(s *endpoint.Session, source *connector.Source) {
	if s.Opens && n.was == (connector.SubjectMap{}) && source.ChangesSubjects() {
		s.Log.Warn("the stream changes the subjects of its messages, and envelopes are bound to those that they had: "+
			"such envelopes read as tampered unless subject-was= gives their subjects back", "stream", n.stream)
	}
}

// OpenPeekers implements endpoint.Sampler.
func (n *stream) OpenPeekers(ctx context.Context, s *endpoint.Session) ([]endpoint.Peeker, error) {
	conn, err := n.connect(ctx, s)
	if err != nil {
		return nil, err
	}
	var peekers []endpoint.Peeker
	for _, one := range n.splitSource() {
		p, err := connector.NewPeeker(ctx, conn, one.sourceOptions())
		if err != nil {
			return nil, err
		}
		peekers = append(peekers, p)
	}
	return peekers, nil
}
