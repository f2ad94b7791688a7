package route

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// PeekOptions say which messages are shown.
type PeekOptions struct {
	// From is the URL of a source.
	From string
	// Count is how many messages of all places are shown.
	Count int
	// Oldest shows the first messages of each place instead of the last ones.
	Oldest bool
}

// Peek shows a few messages of a topic or a stream as it is now, without a key.
// It joins no group, leaves no consumer and commits nothing. sealed is the
// envelope of a message, or failed says why there is none. A message is only
// valid until show returns.
func Peek(
	ctx context.Context, o PeekOptions, env Env, show func(m *pipeline.Message, sealed []byte, failed error) error,
) error {
	env = env.complete()
	return env.explain(peek(ctx, o, env, show))
}

func peek(ctx context.Context, o PeekOptions, env Env, show func(*pipeline.Message, []byte, error) error) (err error) {
	p, err := newPlan(verify, Config{From: o.From}, env)
	if err != nil {
		return err
	}
	sampler, ok := p.from.(endpoint.Sampler)
	if !ok {
		return hint.New(p.source.Name+": only topics and streams can be looked into so",
			"of a file, streamcrypt inspect shows all envelopes")
	}
	var closers closers
	defer func() { err = errors.Join(err, closers.close()) }()
	peekers, err := sampler.OpenPeekers(ctx, p.newSession(archive.Functions{}, &closers))
	if err != nil {
		return hint.PrefixError(endpoint.Look.String(), err)
	}
	find := findSealed(p.source.TextHeaders)
	for _, share := range sharePeekers(peekers, o.Count) {
		messages, err := takeMessages(ctx, share.Peeker, share.count, o.Oldest)
		if err != nil {
			return err
		}
		for i := range messages {
			sealed, failed := find(&messages[i])
			if err := show(&messages[i], sealed, failed); err != nil {
				return err
			}
		}
	}
	return nil
}

// peekShare is how many messages of a place are shown.
type peekShare struct {
	endpoint.Peeker
	count int
}

// sharePeekers deals count messages out over the places that are not empty.
// Where there are more places than that, the first ones are shown.
func sharePeekers(peekers []endpoint.Peeker, count int) []peekShare {
	full := slices.DeleteFunc(slices.Clone(peekers), func(p endpoint.Peeker) bool {
		first, end := p.Bounds()
		return first >= end
	})
	if len(full) > count {
		full = full[:count]
	}
	shares := make([]peekShare, len(full))
	for i, p := range full {
		shares[i] = peekShare{p, count / len(full)}
		if i < count%len(full) {
			shares[i].count++
		}
	}
	return shares
}

// maxPeeks is how many messages of a place are read at most to find the last
// ones.
const maxPeeks = 10_000

// takeMessages returns the first or the last messages of a place, in order. Not
// every offset has a message, so that for the last ones it looks further and
// further back.
func takeMessages(ctx context.Context, p endpoint.Peeker, count int, oldest bool) ([]pipeline.Message, error) {
	first, end := p.Bounds()
	if oldest {
		return readLast(ctx, p, first, count, count)
	}
	for back := int64(count); ; back *= 2 {
		from := max(first, end-back)
		found, err := readLast(ctx, p, from, count, maxPeeks)
		if err != nil || len(found) >= count || from == first {
			return found, err
		}
	}
}

// readLast reads up to limit messages from an offset on, and returns the last
// count of them.
func readLast(
	ctx context.Context, p endpoint.Peeker, offset int64, count, limit int,
) (found []pipeline.Message, err error) {
	for range limit {
		m, err := p.Peek(ctx, offset)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(found) == count {
			found = slices.Delete(found, 0, 1)
		}
		found = append(found, m)
		offset = m.Origin.Offset + 1
	}
	return found, nil
}
