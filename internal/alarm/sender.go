package alarm

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// Sender is a way to tell somebody.
type Sender interface {
	// Name stands in logs. It has no secret.
	Name() string
	// Send returns when somebody has confirmed the alarm. An error that is
	// final says that another try does not help.
	Send(ctx context.Context, a Alarm) error
}

// errFinal marks an error after which another try does not help.
var errFinal = errors.New("refused")

const (
	queueLength = 64
	sendTime    = 10 * time.Second // for one try
	giveUpAfter = 10 * time.Minute // for all tries of one alarm
)

var pace = retry.Policy{First: time.Second, Longest: time.Minute}

// queue gives alarms to one sender, in order.
type queue struct {
	sender  Sender
	log     *slog.Logger
	waiting chan Alarm
	stop    context.CancelFunc
	ended   chan struct{}
}

// newQueue starts a queue. Its goroutine ends with finish.
func newQueue(s Sender, log *slog.Logger) *queue {
	ctx, stop := context.WithCancel(context.Background())
	q := &queue{
		sender: s, log: log, waiting: make(chan Alarm, queueLength), stop: stop, ended: make(chan struct{}),
	}
	go q.sendAll(ctx)
	return q
}

// put adds an alarm, unless there is no room.
func (q *queue) put(a Alarm) (lost bool) {
	select {
	case q.waiting <- a:
		return false
	default:
		return true
	}
}

// finish ends the queue when everything has been sent, or ctx is done. Nothing
// is put any more.
func (q *queue) finish(ctx context.Context) {
	close(q.waiting)
	select {
	case <-q.ended:
	case <-ctx.Done():
		q.stop()
		<-q.ended
	}
	q.stop()
}

func (q *queue) sendAll(ctx context.Context) {
	defer close(q.ended)
	for a := range q.waiting {
		if err := q.sendPatiently(ctx, a); err != nil {
			q.log.Error("an alarm was not delivered", "way", q.sender.Name(), "kind", string(a.Kind),
				"alarm_route", a.Route, "state", a.State(), "error", err)
		}
	}
}

// sendPatiently tries until the alarm is confirmed, or refused for good.
func (q *queue) sendPatiently(ctx context.Context, a Alarm) error {
	all, cancel := context.WithTimeout(ctx, giveUpAfter)
	defer cancel()
	waits := pace.Begin()
	for {
		err := q.sendOnce(all, a)
		if err == nil || errors.Is(err, errFinal) || all.Err() != nil {
			return err
		}
		if waits.Tries() == 0 {
			q.log.Warn("an alarm is sent again", "way", q.sender.Name(), "error", err)
		}
		if waits.Wait(all) != nil {
			return err
		}
	}
}

func (q *queue) sendOnce(ctx context.Context, a Alarm) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	return q.sender.Send(ctx, a)
}
