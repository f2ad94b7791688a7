package retry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// quiet is how long a wait stays out of the log: much heals within seconds.
	quiet = 2 * time.Second
	// reminder is how often a wait is told of after that.
	reminder = time.Minute
)

// services are the pauses between tries to reach a service that is away.
var services = Policy{First: 100 * time.Millisecond, Longest: 5 * time.Second}

// NoLimit is the limit of a Patience that waits for any time.
const NoLimit time.Duration = -1

// Patience bounds how long a start waits, altogether, for services that are
// away. It tells the log of each wait, after two seconds and then every minute.
// It is used by one goroutine. A nil Patience has none.
type Patience struct {
	limit time.Duration
	log   *slog.Logger
	end   time.Time // zero before the first wait, and without a limit
}

// NewPatience returns a Patience for waits of limit altogether, or for any time
// if that is NoLimit. A limit of 0 stands for one try. A nil log stands for
// none.
func NewPatience(limit time.Duration, log *slog.Logger) *Patience {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Patience{limit: limit, log: log}
}

// Limit returns the limit: 0 for a nil Patience, and NoLimit for none.
func (p *Patience) Limit() time.Duration {
	if p == nil {
		return 0
	}
	return p.limit
}

// LateError says that a service did not come back in time.
type LateError struct {
	Service string
	Limit   time.Duration
	Err     error // of the last try
}

func (e *LateError) Error() string {
	return fmt.Sprintf("%v; waited %v for %s", e.Err, e.Limit, e.Service)
}

func (e *LateError) Unwrap() error { return e.Err }

// errLate ends the context of a try.
var errLate = errors.New("no answer in time")

// Await calls try until it goes well, or fails for another reason than that the
// service is away. It returns a *LateError if the patience is at an end. If ctx
// ends, it returns the error of the try, or ctx's cause.
func (p *Patience) Await(
	ctx context.Context, service string, isAway func(error) bool, try func(context.Context) error,
) error {
	if p == nil {
		p = NewPatience(0, nil)
	}
	var last lastError
	return p.Watch(ctx, service, last.readError, func(ctx context.Context) error {
		for waits := services.Begin(); ; {
			err := try(ctx)
			switch {
			case err == nil, !isAway(err), ctx.Err() != nil, p.limit == 0:
				return err
			}
			last.noteError(err)
			if waits.Wait(ctx) != nil {
				return err
			}
		}
	})
}

// lastError is the error of the last try.
type lastError struct {
	mu  sync.Mutex
	err error
}

func (l *lastError) noteError(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *lastError) readError() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Watch calls do, which waits for the service by itself, with a context that
// ends with the patience. cause returns why it waits at present, nil if that is
// not known; it is called from another goroutine.
func (p *Patience) Watch(
	ctx context.Context, service string, cause func() error, do func(context.Context) error,
) error {
	if p == nil {
		p = NewPatience(0, nil)
	}
	bounded, cancel := p.boundContext(ctx)
	defer cancel()
	told := p.tellWaits(bounded, service, cause)
	began := time.Now()
	err := do(bounded)
	if told() && err == nil {
		p.log.Info("the service is there", "service", service, "waited",
			time.Since(began).Round(time.Millisecond).String())
	}
	if err == nil || ctx.Err() != nil || !errors.Is(context.Cause(bounded), errLate) {
		return err
	}
	if why := cause(); why != nil {
		err = why // do may only know that its context has ended
	} else if err == context.DeadlineExceeded { // one that wraps it says more
		err = errLate
	}
	return &LateError{Service: service, Limit: p.limit, Err: err}
}

// boundContext returns a context that ends with the patience. The time runs
// from the first wait on.
func (p *Patience) boundContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.limit <= 0 {
		return context.WithCancel(ctx)
	}
	if p.end.IsZero() {
		p.end = time.Now().Add(p.limit)
	}
	return context.WithDeadlineCause(ctx, p.end, errLate)
}

// tellWaits tells of a wait in a goroutine that the returned function ends. It
// tells whether anything has been told.
func (p *Patience) tellWaits(ctx context.Context, service string, cause func() error) (end func() (told bool)) {
	ctx, cancel := context.WithCancel(ctx)
	count := 0
	var telling sync.WaitGroup
	telling.Go(func() {
		for pause := quiet; Sleep(ctx, pause) == nil; pause = reminder {
			p.log.Warn("waiting for a service", p.describeWait(service, cause())...)
			count++
		}
	})
	return func() bool {
		cancel()
		telling.Wait()
		return count > 0
	}
}

func (p *Patience) describeWait(service string, cause error) []any {
	attrs := []any{"service", service}
	if p.limit >= 0 {
		attrs = append(attrs, "at_most", p.limit.String())
	}
	if cause != nil {
		attrs = append(attrs, "error", cause)
	}
	return attrs
}
