package nats

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// partWait is how long a part may take before the stream is asked for it. All
// parts have been stored before the first one is delivered.
const partWait = 10 * time.Second

// seekPart asks the stream for the part that the reader waits for, if it has
// waited long enough. Silence says nothing: the server may be away, or deliver
// no more messages before some are acknowledged.
func (l *lane) seekPart(ctx context.Context) {
	l.mu.Lock()
	j := l.joining
	l.mu.Unlock()
	if j.bytes == 0 || j.missing || time.Since(j.since) < j.wait {
		return
	}
	missing, err := l.source.lacksPart(ctx, j.last)
	if err == nil && !missing {
		l.source.Log.Warn("the stream holds a part of a message that the consumer does not deliver "+
			"(is its max_ack_pending below the number of parts?)",
			"stream", l.source.Stream, "consumer", l.source.config.Name, "behind", j.last.sequence)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := &l.joining; now.last == j.last {
		now.since, now.missing = time.Now(), err == nil && missing
		signalOnce(l.arrived)
	}
}

// lacksPart tells whether the stream does not hold the part behind d. Where
// this process may not look at stored messages, the consumer tells whether it
// has anything left.
func (s *Source) lacksPart(ctx context.Context, d *delivery) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	msg, _, err := s.conn.requestMessage(ctx, s.Stream, map[string]any{
		"seq": d.sequence + 1, "next_by_subj": d.msg.Subject,
	})
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return true, nil
	case s.conn.isGetDenied(s.Stream, err):
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		consumer, err := s.lookUp(ctx)
		if err != nil {
			return false, err
		}
		return consumer.CachedInfo().NumPending == 0, nil
	case err != nil:
		return false, err
	}
	next, err := parsePart(first(msg.Header, partHeader))
	return err != nil || next != partNumber{d.part.part + 1, d.part.parts, d.part.id}, nil
}
