package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrFilter is the error of a filter under which a stream has no message and
// takes none: a route would wait for ever.
var ErrFilter = errors.New("no message of the stream can lie under the filter")

// checkFilters refuses a filter that matches nothing. A stream that has its
// messages from other streams, or gives them other subjects, does not say which
// subjects there will be.
func (s *Source) checkFilters(ctx context.Context, stream jetstream.Stream) error {
	c := &s.streamConfig
	if c.Mirror != nil || len(c.Sources) > 0 || c.SubjectTransform != nil {
		return nil
	}
	for _, filter := range s.Filters {
		overlaps := func(subject string) bool { return overlapSubjects(filter, subject) }
		if slices.ContainsFunc(c.Subjects, overlaps) {
			continue
		}
		// The stream may have taken other subjects before.
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter(filter))
		if err == nil && len(info.State.Subjects) == 0 {
			return fmt.Errorf("nats stream %s: %w: %q, and it takes %q", s.Stream, ErrFilter, filter, c.Subjects)
		}
	}
	return nil
}

// overlapSubjects tells whether a subject can match both patterns.
func overlapSubjects(a, b string) bool {
	for {
		tokenA, restA, moreA := strings.Cut(a, ".")
		tokenB, restB, moreB := strings.Cut(b, ".")
		switch {
		case tokenA == ">" || tokenB == ">":
			return true
		case tokenA != tokenB && tokenA != "*" && tokenB != "*":
			return false
		case !moreA || !moreB:
			return moreA == moreB
		}
		a, b = restA, restB
	}
}
