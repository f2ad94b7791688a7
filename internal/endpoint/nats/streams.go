package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/topicname"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// A source may be several streams, and a sink a template: one stream for each
// of them. Everything here is about such ends.

// nameStreams takes the name of the URL apart.
func (n *stream) nameStreams() (err error) {
	if n.as.Reads() {
		n.streams = strings.Split(n.stream, ",")
		for i, name := range n.streams {
			if slices.Contains(n.streams[:i], name) {
				return fmt.Errorf("stream %s is named twice", name)
			}
		}
		return nil
	}
	if n.template, err = topicname.Parse(n.stream); err != nil {
		return err
	}
	if n.template.IsMapped() && n.as == endpoint.DeadLetters {
		return hint.New("dead letters go to one stream",
			"name it without {topic}; each letter says where it comes from")
	}
	return nil
}

// isSeveral tells whether a source is several streams.
func (n *stream) isSeveral() bool { return len(n.streams) > 1 }

// checkSeveral refuses parameters that are about one stream.
func (n *stream) checkSeveral() error {
	switch {
	case !n.isSeveral():
		return nil
	case len(n.filters) > 0:
		return hint.New("subject= is about one stream, and the source is several",
			"leave it out, or read the streams by a route each")
	}
	return nil
}

// splitSource returns the ends for each stream of a source.
func (n *stream) splitSource() []*stream {
	ends := make([]*stream, len(n.streams))
	for i, name := range n.streams {
		one := *n
		one.stream, one.streams = name, []string{name}
		ends[i] = &one
	}
	return ends
}

// expandTemplate returns the end for the messages of one stream of the source.
func (n *stream) expandTemplate(from string) (*stream, error) {
	var err error
	expand := func(text string) string {
		t, wrong := topicname.Parse(text)
		if wrong == nil {
			text, wrong = t.NameFor(from)
		}
		err = errors.Join(err, wrong)
		return text
	}
	one := *n
	one.template = topicname.Template{}
	one.stream = expand(n.stream)
	to, strip := expand(n.to), expand(n.strip)
	one.takes = nil
	for _, subject := range n.takes {
		one.takes = append(one.takes, expand(subject))
	}
	if err != nil {
		return nil, err
	}
	if one.subjects, err = connector.ParseSubjectMap(to, strip); err != nil {
		return nil, fmt.Errorf("parameter subject: %w", err)
	}
	return &one, one.sinkOptions().Check()
}

// readSubjects reads the mapping of a sink's subjects. The mapping of a
// template is only tried: it depends on the stream.
func (n *stream) readSubjects() (err error) {
	if n.template.IsMapped() {
		if !n.template.Shortens() { // of a name that does not fit, only the streams tell
			_, err = n.expandTemplate("STREAM")
		}
		return err
	}
	if n.subjects, err = connector.ParseSubjectMap(n.to, n.strip); err != nil {
		return fmt.Errorf("parameter subject: %w", err)
	}
	return nil
}

// openedStreams are the open sources of a session; none if it reads no streams.
func openedStreams(s *endpoint.Session) []*connector.Source {
	sources, _ := endpoint.Share(s, sourceKey{}, func() ([]*connector.Source, error) { return nil, errNoStream })
	return sources
}

// shareSources lets the sinks of a session see its open sources.
func shareSources(s *endpoint.Session, sources []*connector.Source) error {
	_, err := endpoint.Share(s, sourceKey{}, func() ([]*connector.Source, error) { return sources, nil })
	return err
}

// openSeveral opens a source of several streams.
func (n *stream) openSeveral(ctx context.Context, s *endpoint.Session) (*endpoint.Source, error) {
	var sources []*connector.Source
	parts := map[string]*endpoint.Source{}
	all := &endpoint.Source{
		Name: n.Traits().Identity, RisingTerms: true, Bounded: n.isBounded(), Ordered: !n.shared,
		Places: len(n.streams), Lanes: len(n.streams),
		SealedSubject: n.sealedSubject(),
		Topics:        func() []string { return slices.Clone(n.streams) },
		IdentifyPlace: func(place string) endpoint.Identity {
			if part := parts[place]; part != nil {
				return part.Identity
			}
			return nil
		},
		IsCompacted: func(place string) bool { return parts[place] != nil && parts[place].IsCompacted(place) },
		FirstKept: func(place string) int64 {
			if part := parts[place]; part != nil {
				return part.FirstKept(place)
			}
			return 0
		},
	}
	for _, one := range n.splitSource() {
		source, part, err := one.openOne(ctx, s)
		if err != nil {
			return nil, err
		}
		sources, parts[one.stream] = append(sources, source), part
		all.Compressed, all.Markers = all.Compressed || part.Compressed, all.Markers || part.Markers
		all.Largest, all.AckWait = max(all.Largest, part.Largest), max(all.AckWait, part.AckWait)
	}
	streams := connector.NewStreams(sources)
	all.Source, all.Losses = streams, streams.Losses
	all.MeasureProgress = n.measureBacklog(streams.Backlog)
	return all, errors.Join(shareSources(s, sources), n.answerService(s, sources[0].Conn()))
}

// measureBacklog returns a function for endpoint.Source.MeasureProgress.
func (n *stream) measureBacklog(backlog func() uint64) func(settled int64) endpoint.Progress {
	return func(settled int64) endpoint.Progress {
		p := endpoint.Progress{Done: settled, Unit: endpoint.Messages}
		if n.isBounded() {
			p.Total = int64(backlog())
		}
		return p
	}
}

// openTemplate opens a sink for each stream of the source.
func (n *stream) openTemplate(ctx context.Context, s *endpoint.Session, in *endpoint.Source) (*endpoint.Sink, error) {
	sources := openedStreams(s)
	if len(sources) == 0 {
		return nil, hint.New("a template is for a source of streams", "write the name of the stream")
	}
	ends, err := n.expandAll(ctx, s, sources)
	if err != nil {
		return nil, err
	}
	sinks := &connector.Sinks{ByStream: map[string]*connector.Sink{}}
	parts := map[string]*endpoint.Sink{}
	for i, source := range sources {
		own := *in
		if own.IdentifyPlace != nil {
			own.Identity = own.IdentifyPlace(source.Stream)
		}
		sink, part, err := ends[i].openOneSink(ctx, s, &own, source)
		if err != nil {
			return nil, err
		}
		sinks.ByStream[source.Stream], parts[source.Stream] = sink, part
	}
	all := &endpoint.Sink{
		Sink: sinks,
		Check: func(m *pipeline.Message, size int) error {
			return parts[m.Origin.Place].Check(m, size)
		},
		MapSubjectOf: func(topic string) func(dst, subject []byte) ([]byte, error) {
			if part := parts[topic]; part != nil {
				return part.MapSubject
			}
			return nil
		},
		KeepsLastValues: func(place string) bool { return parts[place] != nil && parts[place].KeepsLastValues(place) },
	}
	if len(sources) == 1 {
		all.MapSubject = parts[sources[0].Stream].MapSubject
	}
	return all, nil
}

// expandAll returns the end for the messages of each source. Nothing is made
// before all of them are known to be good.
func (n *stream) expandAll(
	ctx context.Context, s *endpoint.Session, sources []*connector.Source,
) ([]*stream, error) {
	conn, err := n.connect(ctx, s)
	if err != nil {
		return nil, err
	}
	ends := make([]*stream, len(sources))
	taken := map[string]string{}
	for i, source := range sources {
		one, err := n.expandTemplate(source.Stream)
		if err != nil {
			return nil, err
		}
		if other, ok := taken[one.stream]; ok {
			return nil, fmt.Errorf("streams %s and %s would both be written to %s", other, source.Stream, one.stream)
		}
		taken[one.stream] = source.Stream
		if err := one.checkLoop(conn, sources); err != nil {
			return nil, err
		}
		ends[i] = one
	}
	return ends, nil
}

// checkLoop refuses a sink that this route reads.
func (n *stream) checkLoop(conn *connector.Conn, sources []*connector.Source) error {
	for _, source := range sources {
		if source.Conn() == conn && source.Stream == n.stream {
			return fmt.Errorf("stream %s is read by this route", n.stream)
		}
	}
	return nil
}
