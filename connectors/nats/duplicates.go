package nats

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// A stream says "duplicate" when it has seen the id within its window. That
// does not say that it holds the message: it may have been purged since, and in
// a stream that lost its tail the sequence is used again. So what is stored is
// looked at, and a message that is not there is published under another id;
// unless the stream deletes what its readers have acknowledged.

// duplicate is a message that the stream called one.
type duplicate struct {
	index    int // into the messages of Write
	sequence uint64
	ours     bool
	err      error
}

// maxVerifying is how many stored messages are asked for at a time.
const maxVerifying = 16

// errBatchUnderWay is the cause of a duplicate without a sequence: the message
// is part of a batch that is not stored yet.
var errBatchUnderWay = errors.New("the stream has the message in a batch that is under way")

// verifyDuplicates looks at the messages that the stream called duplicates.
// Those that are not stored are left for another round, under another id.
func (w *writer) verifyDuplicates(ctx context.Context, msgs []pipeline.Message) error {
	if len(w.duplicates) == 0 {
		return nil
	}
	room := make(chan struct{}, maxVerifying)
	var all sync.WaitGroup
	for i := range w.duplicates {
		d := &w.duplicates[i]
		id := w.idOf(&msgs[d.index], d.index)
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			d.ours, d.err = w.sink.isStored(ctx, d.sequence, id, &msgs[d.index])
		})
	}
	all.Wait()
	already, again := 0, 0
	for _, d := range w.duplicates {
		switch {
		case d.err != nil:
			w.failed = append(w.failed, d.index)
			if err := w.noteCause(d.err); err != nil {
				return err
			}
		case d.ours:
			already++
			w.stored[d.index] = d.sequence
		default:
			again++
			w.countTry(d.index)
			w.failed = append(w.failed, d.index)
		}
	}
	slices.Sort(w.failed)
	w.duplicates = w.duplicates[:0]
	w.sink.noteDuplicates(already, again)
	return nil
}

func (s *Sink) noteDuplicates(already, again int) {
	if again > 0 {
		s.Log.Warn("the stream called messages duplicates that it does not hold; they are published under other ids",
			"stream", s.Stream, "messages", again)
	}
	if s.Observer != nil && already+again > 0 {
		s.Observer.NoteDuplicates(already, again)
	}
}

// isStored tells whether the message at a sequence has the id, and is m as far
// as that can be told.
func (s *Sink) isStored(ctx context.Context, sequence uint64, id string, m *pipeline.Message) (bool, error) {
	return s.checkStored(ctx, sequence, func(msg *natsgo.Msg) bool {
		switch ours := first(msg.Header, jetstream.MsgIDHeader) == id; {
		case ours && s.producerID(m) == id:
			// Anybody may have chosen the same id, and a producer may give it
			// to two messages in two windows, which come in one here.
			return msg.Subject == s.subjectOf(m) && bytes.Equal(msg.Data, m.Value)
		case ours && s.IsOurs != nil:
			b := &batch{sealed: true}
			b.addMessage(pipeline.Origin{}, time.Time{}, msg)
			return s.IsOurs(&b.Messages[0], m)
		default:
			return ours
		}
	})
}

// checkStored has the message at a sequence checked, if there is one. The
// leader is asked: replicas and mirrors may answer with what was.
func (s *Sink) checkStored(
	ctx context.Context, sequence uint64, check func(msg *natsgo.Msg) bool,
) (bool, error) {
	if s.believes.Load() {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	msg, err := s.conn.getMessage(ctx, s.Stream, sequence)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return s.wasConsumed(ctx, sequence)
	case s.conn.isGetDenied(s.Stream, err):
		if !s.believes.Swap(true) {
			s.Log.Warn("no right to look at stored messages, so the stream is believed when it says duplicate",
				"stream", s.Stream, "permission", s.conn.apiSubject("STREAM.MSG.GET."+s.Stream))
		}
		return true, nil
	case errors.Is(err, context.DeadlineExceeded):
		return false, natsgo.ErrTimeout
	case err != nil:
		return false, err
	}
	return check(msg), nil
}

// wasConsumed tells whether a message that the stream does not hold was taken
// from it by its readers: a stream with workqueue or interest retention deletes
// what they have acknowledged. It was stored if the stream has come as far.
func (s *Sink) wasConsumed(ctx context.Context, sequence uint64) (bool, error) {
	if s.stream.Config.Retention == jetstream.LimitsPolicy {
		return false, nil
	}
	stream, err := s.conn.js.Stream(ctx, s.Stream)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return false, natsgo.ErrTimeout
	case err != nil:
		return false, err
	}
	return stream.CachedInfo().State.LastSeq >= sequence, nil
}

// isDenied tells whether the server does not let us ask.
func isDenied(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, natsgo.ErrPermissionViolation) || errors.As(err, &api) && api.Code == 403
}

// getMessage returns a stored message, from the stream's leader.
func (c *Conn) getMessage(ctx context.Context, stream string, sequence uint64) (*natsgo.Msg, error) {
	msg, _, err := c.requestMessage(ctx, stream, map[string]any{"seq": sequence})
	return msg, err
}

// requestMessage returns the stored message that a request names, and its
// sequence, from the stream's leader.
func (c *Conn) requestMessage(ctx context.Context, stream string, which map[string]any) (*natsgo.Msg, uint64, error) {
	is, err := c.requestStored(ctx, stream, which)
	return is.msg, is.sequence, err
}

// storedMessage is a message as its stream holds it; msg is nil if it does not.
type storedMessage struct {
	msg      *natsgo.Msg
	sequence uint64
	time     time.Time
}

// requestStored is requestMessage with the time of the message.
func (c *Conn) requestStored(
	ctx context.Context, stream string, which map[string]any,
) (is storedMessage, err error) {
	request, err := json.Marshal(which)
	if err != nil {
		return is, err
	}
	answer, err := c.nc.RequestWithContext(ctx, c.apiSubject("STREAM.MSG.GET."+stream), request)
	if err != nil {
		return is, err
	}
	var got struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject  string    `json:"subject"`
			Sequence uint64    `json:"seq"`
			Headers  []byte    `json:"hdrs"`
			Data     []byte    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
	}
	switch err := json.Unmarshal(answer.Data, &got); {
	case err != nil:
		return is, fmt.Errorf("stream %s: stored message %v: %w", stream, which, err)
	case got.Error != nil && got.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return is, jetstream.ErrMsgNotFound
	case got.Error != nil:
		return is, got.Error
	case got.Message == nil:
		return is, jetstream.ErrMsgNotFound
	}
	msg := &natsgo.Msg{Subject: got.Message.Subject, Data: got.Message.Data}
	if len(got.Message.Headers) > 0 {
		if msg.Header, err = natsgo.DecodeHeadersMsg(got.Message.Headers); err != nil {
			return is, fmt.Errorf("stream %s: stored message %v: %w", stream, which, err)
		}
	}
	return storedMessage{msg: msg, sequence: got.Message.Sequence, time: got.Message.Time}, nil
}

// isGetDenied tells whether err, of requestMessage, is that we may not look at
// stored messages. The server says so in an answer, or apart from it.
func (c *Conn) isGetDenied(stream string, err error) bool {
	return isDenied(err) ||
		errors.Is(err, context.DeadlineExceeded) && c.denials.isRefused(c.apiSubject("STREAM.MSG.GET."+stream))
}
