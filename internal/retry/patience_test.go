package retry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	errAway  = errors.New("connection refused")
	errFinal = errors.New("wrong password")
)

func isAway(err error) bool { return errors.Is(err, errAway) }

// newLog returns a log and a function that lists its lines, as LEVEL: MESSAGE.
func newLog(t *testing.T) (*slog.Logger, func() []string) {
	var b bytes.Buffer
	return slog.New(slog.NewJSONHandler(&b, nil)), func() (lines []string) {
		t.Helper()
		for text := range strings.Lines(b.String()) {
			var line struct{ Level, Msg, Service, Error string }
			if err := json.Unmarshal([]byte(text), &line); err != nil || line.Service != "kafka://h" {
				t.Errorf("%s: %v", text, err)
			}
			lines = append(lines, strings.TrimRight(line.Level+" "+line.Msg+" "+line.Error, " "))
		}
		return lines
	}
}

func TestAwait(t *testing.T) {
	const (
		waiting = "WARN waiting for a service connection refused"
		there   = "INFO the service is there"
	)
	for name, c := range map[string]struct {
		limit   time.Duration
		away    time.Duration // how long the service is away
		final   bool          // it refuses then
		stop    time.Duration // when the context ends; 0: never
		want    error
		late    bool
		takes   time.Duration // at most
		lines   []string
		tryOnce bool
	}{
		"there":                    {limit: time.Minute, takes: 0},
		"heals within a second":    {limit: time.Minute, away: time.Second / 2, takes: 2 * time.Second},
		"heals":                    {limit: time.Minute, away: 20 * time.Second, takes: 26 * time.Second, lines: []string{waiting, there}},
		"away for hours":           {limit: NoLimit, away: 150 * time.Second, takes: 156 * time.Second, lines: []string{waiting, waiting, waiting, there}},
		"too long":                 {limit: 30 * time.Second, away: time.Hour, want: errAway, late: true, takes: 30 * time.Second, lines: []string{waiting}},
		"refuses":                  {limit: time.Minute, final: true, want: errFinal},
		"refuses when it is there": {limit: time.Minute, away: 10 * time.Second, final: true, want: errFinal, takes: 16 * time.Second, lines: []string{waiting}},
		"a signal":                 {limit: NoLimit, away: time.Hour, stop: 10 * time.Second, want: errAway, takes: 10 * time.Second, lines: []string{waiting}},
		"no patience":              {limit: 0, away: time.Hour, want: errAway, tryOnce: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, lines := newLog(t)
				ctx := t.Context()
				if c.stop > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.stop)
					defer cancel()
				}
				began, tries := time.Now(), 0
				err := NewPatience(c.limit, log).Await(ctx, "kafka://h", isAway, func(context.Context) error {
					tries++
					switch {
					case time.Since(began) < c.away:
						return errAway
					case c.final:
						return errFinal
					}
					return nil
				})
				took := time.Since(began)
				var late *LateError
				if !errors.Is(err, c.want) || errors.As(err, &late) != c.late || took > c.takes {
					t.Errorf("%v after %v", err, took)
				}
				if got := lines(); strings.Join(got, "\n") != strings.Join(c.lines, "\n") {
					t.Errorf("lines %q, want %q", got, c.lines)
				}
				if c.tryOnce && tries != 1 {
					t.Errorf("%d tries", tries)
				}
			})
		})
	}
}

// TestHangingTry: a service that does not answer at all is told of too, and the
// patience ends the try.
func TestHangingTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := newLog(t)
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		began := time.Now()
		err := NewPatience(90*time.Second, log).Await(t.Context(), "kafka://h", isAway, hang)
		var late *LateError
		if !errors.As(err, &late) || time.Since(began) != 90*time.Second || len(lines()) != 2 {
			t.Errorf("%v after %v, %q", err, time.Since(began), lines())
		}
	})
}

// TestPatienceIsShared: services that are waited for one after the other use up
// one patience.
func TestPatienceIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPatience(time.Minute, nil)
		began := time.Now()
		back := began.Add(40 * time.Second)
		wait := func() error {
			return p.Await(t.Context(), "x", isAway, func(context.Context) error {
				if time.Now().Before(back) {
					return errAway
				}
				return nil
			})
		}
		if err := wait(); err != nil {
			t.Fatal(err)
		}
		back = began.Add(time.Hour)
		if err := wait(); !isAway(err) || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestWatch: the error says why the service was waited for, not that a context
// has ended.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := NewPatience(time.Second, nil).Watch(t.Context(), "kms", func() error { return errAway }, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if err == nil || err.Error() != "connection refused; waited 1s for kms" {
			t.Errorf("%v", err)
		}
	})
}
