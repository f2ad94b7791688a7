package nats

import (
	"context"
	"strings"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

// OpenPositions implements endpoint.Positioned. The name of readers is that of
// a durable consumer. The positions of one cannot be set: it is made with the
// sequence at which it begins.
func (n *stream) OpenPositions(
	ctx context.Context, s *endpoint.Session, streams []string,
) (*endpoint.Positions, error) {
	conn, err := n.connect(ctx, s)
	if err != nil {
		return nil, err
	}
	if streams == nil {
		streams = []string{n.stream}
		if n.as.Reads() {
			streams = n.streams
		}
	}
	var peekers []*connector.Peeker
	out := &endpoint.Positions{Own: n.consumer}
	for _, name := range streams {
		peeker, err := connector.NewPeeker(ctx, conn, connector.SourceOptions{Stream: name, Filters: n.filters})
		if err != nil {
			return nil, err
		}
		domain, created, filters := peeker.Identity()
		identity, err := identifyStream(domain, name, created, filters, s.Mapping)
		if err != nil {
			return nil, err
		}
		peekers = append(peekers, peeker)
		out.Places = append(out.Places, endpoint.PositionedPlace{
			Peeker: peeker, Topic: name, Base: 1, Identity: identity, Compacted: peeker.IsCompacted(),
		})
	}
	out.ReadReaders = func(ctx context.Context, name string) (*endpoint.Readers, error) {
		return readConsumers(ctx, peekers, name)
	}
	out.ListEnds = func(ctx context.Context) (map[string]int64, error) {
		ends := make(map[string]int64, len(peekers))
		for _, p := range peekers {
			end, err := p.ReadEnd(ctx)
			if err != nil {
				return nil, err
			}
			ends[p.Place()] = end
		}
		return ends, nil
	}
	return out, nil
}

// readConsumers asks each stream for its consumer of a name.
func readConsumers(ctx context.Context, peekers []*connector.Peeker, name string) (*endpoint.Readers, error) {
	found := &endpoint.Readers{Next: make(map[string]int64)}
	for _, p := range peekers {
		at, ok, err := p.ReadConsumer(ctx, name)
		if err != nil {
			return nil, err
		}
		if ok {
			found.Next[p.Place()] = at.Next
			found.Members += at.Waiting
		}
	}
	return found, nil
}

// LookURL implements endpoint.Viewer.
func (n *stream) LookURL(streams []string) string {
	path := n.stream
	if streams != nil {
		path = strings.Join(streams, ",")
	}
	if n.as.Reads() {
		return n.url.Rewrite(path, "consumer", "ack-wait", "shared", "lease", "service")
	}
	return n.url.Rewrite(path,
		"create", "stream-subjects", "id-secret", "lease", "subject", "strip", "publish", "sync")
}
