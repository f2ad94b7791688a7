package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// Servers before 2.14 cannot reset a consumer. They deliver messages again that
// were rejected, or that AckWait has expired for, in the order in which they
// learned of that. An older message may so come behind a newer one. A lane must
// not even hand out the newer one: its position would be behind the older one,
// which would then pass for durable and be lost. So before a lane begins, all
// messages that were delivered and not acknowledged are fetched once and
// rejected in the order of the stream, in which they then come again, before
// all new ones.

// maxRedelivered is how many messages may have to be put into order. Of each
// one the sequence and the reply subject are kept, some 200 bytes.
const maxRedelivered = 1 << 18

// fetchAnswer is how long the server may take to deliver the next message that
// is due, or to say that there is none.
const fetchAnswer = 3 * time.Second

// errNotDue is the error of messages that somebody may still be working on.
var errNotDue = errors.New("messages that were delivered before are not due yet")

// orderRedelivered has the server deliver the messages that are pending in the
// order of the stream. It waits until they are due.
func (s *Source) orderRedelivered(ctx context.Context, stream jetstream.Stream) error {
	wait := s.effectiveAckWait()
	for {
		err := s.rejectInOrder(ctx, stream)
		if !errors.Is(err, errNotDue) {
			return err
		}
		s.Log.Info("the server cannot reset the consumer (2.14 can): "+
			"waiting until messages that were delivered before come again",
			"stream", s.Stream, "consumer", s.config.Name, "for", wait+time.Second)
		if err := retry.Sleep(ctx, wait+time.Second); err != nil {
			return err
		}
		// A consumer with a backoff may be at any step of it.
		for _, step := range s.config.BackOff {
			wait = max(wait, step)
		}
	}
}

// rejectInOrder fetches the messages that are pending, and rejects them in the
// order of the stream. Its error matches errNotDue if some do not come although
// the stream has them: somebody may work on them.
func (s *Source) rejectInOrder(ctx context.Context, stream jetstream.Stream) error {
	info, err := s.lookAtPending(ctx, stream)
	if err != nil {
		return err
	}
	came, replies, err := s.fetchRedelivered(ctx, info.NumAckPending)
	if err != nil {
		return err
	}
	if came < info.NumAckPending {
		// A server counts messages, too, that were deleted since.
		if err := s.checkDeleted(ctx, info, replies); err != nil {
			return err
		}
	}
	s.expected = slices.Sorted(maps.Keys(replies))
	if err := s.rejectAll(ctx, replies); err != nil {
		return err
	}
	_, err = s.lookAtPending(ctx, stream) // notes the number of the last delivery
	return err
}

// rejectAll rejects the messages that are expected. When it returns, the server
// has done so.
func (s *Source) rejectAll(ctx context.Context, replies map[uint64]string) error {
	if len(s.expected) == 0 {
		return nil
	}
	last := len(s.expected) - 1
	for _, sequence := range s.expected[:last] {
		if err := s.conn.nc.Publish(replies[sequence], wordNak); err != nil {
			return err
		}
	}
	// The server takes these words one after the other, and later than a flush;
	// it answers the last one when it has.
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	if _, err := s.conn.nc.RequestWithContext(ctx, replies[s.expected[last]], wordNak); err != nil {
		return fmt.Errorf("messages that were delivered before are not rejected: %w", err)
	}
	return nil
}

// lookAtPending asks how many messages are delivered and not acknowledged, and
// notes the number of the last delivery.
func (s *Source) lookAtPending(ctx context.Context, stream jetstream.Stream) (*jetstream.ConsumerInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchAnswer)
	defer cancel()
	consumer, err := stream.Consumer(ctx, s.config.Name)
	if err != nil {
		return nil, fmt.Errorf("nats stream %s, consumer %s: %w", s.Stream, s.config.Name, err)
	}
	info := consumer.CachedInfo()
	s.number = info.Delivered.Consumer
	if info.NumAckPending > maxRedelivered {
		return nil, fmt.Errorf("nats stream %s, consumer %s: %d messages were delivered and not acknowledged: "+
			"more than %d, of which order can be kept on a server that cannot reset a consumer (2.14 can)",
			s.Stream, s.config.Name, info.NumAckPending, maxRedelivered)
	}
	return info, nil
}

// checkDeleted returns errNotDue if the stream has a message that was
// delivered, is not known to be durable, and has not come again.
func (s *Source) checkDeleted(
	ctx context.Context, info *jetstream.ConsumerInfo, replies map[uint64]string,
) error {
	from := info.AckFloor.Stream + 1
	if s.start.known {
		from = max(from, s.start.next)
	}
	for ; from <= info.Delivered.Stream; from++ {
		asking, cancel := context.WithTimeout(ctx, fetchAnswer)
		first, err := s.conn.findFirst(asking, s.Stream, s.Filters, from)
		cancel()
		switch {
		case err != nil:
			return fmt.Errorf("nats stream %s: messages that were delivered before: %w", s.Stream, err)
		case first == nil || first.sequence > info.Delivered.Stream:
			return nil
		case replies[first.sequence] == "":
			return errNotDue
		}
		from = first.sequence
	}
	return nil
}

// fetchRedelivered fetches n messages that come again, or all that are due. It
// returns how many came again, and the reply subjects by sequence; also of new
// messages, which the server delivers when no others are due.
func (s *Source) fetchRedelivered(ctx context.Context, n int) (came int, replies map[uint64]string, err error) {
	inbox := s.conn.nc.NewInbox() + "."
	sub, err := s.conn.nc.SubscribeSync(inbox + "*")
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = sub.Unsubscribe() }() // fails without a connection alone
	// As many bytes arrive as were asked for.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return 0, nil, err
	}
	replies = make(map[uint64]string)
	for request := 1; came < n; request++ {
		batch := min(n-came, max(s.window/smallMessage, 1))
		subject := inbox + strconv.Itoa(request)
		if err := s.requestNow(subject, batch); err != nil {
			return 0, nil, err
		}
		again, isDone, err := receiveReplies(ctx, sub, subject, batch, replies)
		if err != nil {
			return 0, nil, err
		}
		if came += again; isDone || again == 0 {
			break
		}
	}
	return came, replies, nil
}

// requestNow asks for messages that are due now.
func (s *Source) requestNow(inbox string, batch int) error {
	request, err := json.Marshal(map[string]any{"batch": batch, "max_bytes": s.window, "no_wait": true})
	if err != nil {
		return err
	}
	return s.conn.nc.PublishRequest(s.conn.apiSubject("CONSUMER.MSG.NEXT."+s.Stream+"."+s.config.Name), inbox, request)
}

// receiveReplies notes the messages of the request with this subject, until it
// has ended. It returns how many came again that had not come before: AckWait
// may expire once more for the first ones while others are fetched. isDone
// tells whether a new message was among them, so that no others are due.
func receiveReplies(
	ctx context.Context, sub *natsgo.Subscription, request string, batch int, replies map[uint64]string,
) (again int, isDone bool, err error) {
	for all := 0; all < batch; {
		msg, err := nextMessage(ctx, sub)
		switch {
		case err != nil:
			return 0, false, fmt.Errorf("messages that were delivered before: %w", err)
		case isDelivery(msg):
		case msg.Subject == request:
			return again, isDone, nil // the server has no more for it
		default:
			continue // about an earlier request
		}
		is, err := parseReply(msg.Reply)
		if err != nil {
			return 0, false, err
		}
		_, known := replies[is.sequence]
		replies[is.sequence] = msg.Reply
		all++
		switch {
		case is.deliveries == 1:
			isDone = true
		case !known:
			again++
		}
	}
	return again, isDone, nil
}

// nextMessage waits for the server's next word.
func nextMessage(ctx context.Context, sub *natsgo.Subscription) (*natsgo.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchAnswer)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}

// comesAsExpected tells whether a message that arrives is the next one of those
// that must come first, or none of them is left. l.mu is held.
func (l *lane) comesAsExpected(d *delivery) bool {
	switch {
	case len(l.expected) == 0 || l.held[d.sequence] != nil:
		return true
	case l.expected[0] != d.sequence:
		return false
	}
	l.expected = l.expected[1:]
	return true
}
