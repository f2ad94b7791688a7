package route

import (
	"context"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// Standing asks the servers of a source how far a route has come, over
// connections of its own: a route that is stuck is asked about all the same.
type Standing struct {
	env       Env
	closers   closers
	plan      *plan
	session   *endpoint.Session
	positions *endpoint.Positions
}

// PlaceStanding is how far a route is in one place of its source. Position is
// below zero if nothing has been committed.
type PlaceStanding struct {
	Place                string
	Position, First, End int64
}

// OpenStanding opens the source of a route that encrypts, to ask about it. The
// caller closes it.
func OpenStanding(ctx context.Context, c Config, env Env) (*Standing, error) {
	s := &Standing{env: env.complete()}
	if err := s.open(ctx, c); err != nil {
		return nil, s.env.explain(errors.Join(err, s.closers.close()))
	}
	return s, nil
}

func (s *Standing) open(ctx context.Context, c Config) (err error) {
	if s.plan, err = newPlan(encrypt, c, s.env); err != nil {
		return err
	}
	from, ok := s.plan.from.(endpoint.Positioned)
	if !ok {
		return errNoPositions(s.plan.source.Name)
	}
	if !s.plan.source.Endless {
		return hint.New("from: a run with an end does not follow",
			"leave out until=: a migration goes on with the messages that come")
	}
	s.session = s.plan.newSession(archive.Functions{}, &s.closers)
	if s.positions, err = from.OpenPositions(ctx, s.session, nil); err != nil {
		return hint.PrefixError(endpoint.From.String(), err)
	}
	if s.positions.Own == "" {
		return fmt.Errorf("from: %s: nothing keeps the positions of the route", s.plan.source.Name)
	}
	return nil
}

// Measure asks for the positions of the route, and then for the ends: between
// the two answers a source only grows, so that a lag is never too small.
func (s *Standing) Measure(ctx context.Context) ([]PlaceStanding, error) {
	own, err := s.positions.ReadReaders(ctx, s.positions.Own)
	if err != nil {
		return nil, s.env.explain(hint.PrefixError(endpoint.From.String(), err))
	}
	ends, err := s.positions.ListEnds(ctx)
	if err != nil {
		return nil, s.env.explain(hint.PrefixError(endpoint.From.String(), err))
	}
	all := make([]PlaceStanding, len(s.positions.Places))
	for i := range s.positions.Places {
		name := s.positions.Places[i].Place()
		first, _ := s.positions.Places[i].Bounds()
		all[i] = PlaceStanding{Place: name, Position: -1, First: first, End: ends[name]}
		if at, ok := own.Next[name]; ok {
			all[i].Position = at
		}
	}
	return all, nil
}

// LookURLs returns the URLs of both sides of the route, as Verify and Compare
// read them, for the topics that there were when it was opened.
func (s *Standing) LookURLs() (from, sealed string, err error) {
	plain, ok := s.plan.from.(endpoint.Viewer)
	to, okTo := s.plan.to.(endpoint.Viewer)
	if !ok || !okTo {
		return "", "", fmt.Errorf("%s or %s cannot be looked at", s.plan.source.Name, s.plan.sink.Name)
	}
	if s.plan.sink.MapTopic == nil {
		return plain.LookURL(nil), to.LookURL(nil), nil
	}
	var topics []string
	for _, topic := range listTopics(s.positions) {
		name, err := s.plan.sink.MapTopic(topic)
		if err != nil {
			return "", "", err
		}
		topics = append(topics, name)
	}
	return plain.LookURL(nil), to.LookURL(topics), nil
}

// LookURL returns the URL of the source of a route as Verify reads it, with the
// parameters that this takes. It opens nothing.
func LookURL(c Config, env Env) (string, error) {
	from, err := env.complete().Endpoints.Parse(c.From, endpoint.From)
	if err != nil {
		return "", err
	}
	if plain, ok := from.(endpoint.Viewer); ok {
		return plain.LookURL(nil), nil
	}
	return "", errNoPositions(from.Traits().Name)
}

// Close lets go of the connections.
func (s *Standing) Close() error { return s.closers.close() }
