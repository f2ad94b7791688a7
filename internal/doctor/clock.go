package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// EndClock is an end that is a Clock while its session is open.
type EndClock interface {
	AskTime(ctx context.Context, s *endpoint.Session) (told time.Time, resolution time.Duration, err error)
}

const (
	// slowAnswer is how long a service takes that makes messages wait whenever
	// a data key is made or unwrapped.
	slowAnswer = 500 * time.Millisecond
	// clockCalls is how often a service is asked.
	clockCalls = 3
	// maxKMSSkew is how far a clock may be off before key services refuse its
	// signatures ("Request Expired").
	maxKMSSkew = 5 * time.Minute
)

// Timing is the answers of a service that was asked for its time.
type Timing struct {
	Ahead  time.Duration // of the service, before this machine
	Within time.Duration // how wrong Ahead may be
	Worst  time.Duration // how long the slowest answer took
}

// AskClock asks a service for its time several times.
func (h *Host) AskClock(
	ctx context.Context, ask func(context.Context) (time.Time, time.Duration, error),
) (t Timing, err error) {
	for i := range clockCalls {
		begun := h.Now()
		told, resolution, err := ask(ctx)
		took := h.Now().Sub(begun)
		if err != nil {
			return t, err
		}
		// The service looked at its clock somewhere in between, and told the
		// time rounded down.
		within := took/2 + resolution/2
		if i == 0 || within < t.Within {
			t.Ahead, t.Within = told.Add(resolution/2).Sub(begun.Add(took/2)), within
		}
		t.Worst = max(t.Worst, took)
	}
	return t, nil
}

// JudgeSkew makes a line of how far a service's clock differs from this
// machine's. allowed is how far it may; 0 stands for the default of
// --max-skew.
func (t Timing) JudgeSkew(subject string, allowed time.Duration) findings.Line {
	if allowed <= 0 {
		allowed = maxKMSSkew
	}
	line := findings.Line{Check: ClockSkew, Subject: subject, Level: findings.OK}
	side := "ahead of"
	if t.Ahead < 0 {
		side = "behind"
	}
	line.Found = fmt.Sprintf("its clock is %v %s this machine's, within %v",
		t.Ahead.Abs().Round(time.Millisecond), side, t.Within.Round(time.Millisecond))
	certain := t.Ahead.Abs() - t.Within
	const remedy = "chronyc tracking, and timedatectl set-ntp true on the machine that is wrong"
	switch {
	case certain > allowed:
		line.Level, line.Remedy = findings.Fail, remedy
		line.Found += fmt.Sprintf(": more than %v: signed requests expire, envelopes read as skewed", allowed)
	case certain > allowed/10:
		line.Level, line.Remedy = findings.Warn, remedy
	}
	return line
}

// JudgeLatency makes a line of how long a key service takes to answer.
func (t Timing) JudgeLatency(subject string) findings.Line {
	line := findings.Line{
		Check: KeyLatency, Subject: subject, Level: findings.OK,
		Found: fmt.Sprintf("the slowest of %d answers took %v", clockCalls, t.Worst.Round(time.Millisecond)),
	}
	if t.Worst > slowAnswer {
		line.Level = findings.Warn
		line.Found += ": each new data key makes a high p99"
		line.Remedy = "use the service of the nearest region or a VPC endpoint (endpoint=), and a longer --window"
	}
	return line
}

// oldKey is the age from which on a key should be rotated: a year, the usual
// cryptoperiod of a key that wraps others.
const oldKey = 366 * 24 * time.Hour

// JudgeAge makes a line of the age of a key.
func (h *Host) JudgeAge(subject string, born time.Time) findings.Line {
	age := h.Now().Sub(born)
	line := findings.Line{
		Check: KeyAge, Subject: subject, Level: findings.OK,
		Found: fmt.Sprintf("it is %d days old", int(age.Hours()/24)),
	}
	if age > oldKey {
		line.Level, line.Remedy = findings.Warn, "rotate it: docs/operate.md#rotating-a-key"
	}
	return line
}
