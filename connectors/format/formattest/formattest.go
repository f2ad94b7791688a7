// Package formattest is for tests of package format and of the connectors that
// store records in its formats: messages to store, a seal without a key, and a
// comparison. It imports neither, so that tests inside those packages can use
// it.
package formattest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

// Carries lists the parts of a message that both formats hold.
var Carries = pipelinetest.Carries{
	Key: true, NullValue: true, Headers: true, NullHeader: true, HeaderOrder: true, Binary: true,
	Time: time.Millisecond,
}

// ErrSeal is OpenEnd's error.
var ErrSeal = errors.New("seal broken")

// Front takes all but the last byte of a value, or of a tombstone's header, for
// the part that rewrapping does not change. Values of a byte are no envelopes.
func Front(e []byte) (front []byte, ok bool) { return e[:max(0, len(e)-1)], len(e) > 1 }

// SealEnd seals with a hash that everyone can make.
func SealEnd(_ context.Context, dst []byte, end [61]byte) ([]byte, error) {
	return append(append(dst, end[:]...), seal(end[:])...), nil
}

// OpenEnd opens the result of SealEnd.
func OpenEnd(_ context.Context, b []byte) (end [61]byte, err error) {
	if len(b) != 69 || !bytes.Equal(seal(b[:61]), b[61:]) {
		return end, ErrSeal
	}
	return [61]byte(b), nil
}

func seal(b []byte) []byte {
	s := sha256.Sum256(append([]byte("seal"), b...))
	return s[:8]
}

// Messages returns n messages, of which no two are equal.
func Messages(n int) []pipeline.Message {
	msgs := pipelinetest.Messages(Carries, 0, n, 2000)
	for i := range msgs {
		if i%3 == 1 {
			msgs[i].Subject = []byte{'s', byte(i)}
		}
	}
	return msgs
}

// RequireEqual fails the test unless got are the messages want. Origins are not
// compared.
func RequireEqual(t testing.TB, want, got []pipeline.Message) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("got %d messages, want %d", len(got), len(want))
	}
	for i := range want {
		if d := pipelinetest.Diff(Carries, &want[i], &got[i]); d != "" {
			t.Fatalf("message %d: %s", i, d)
		}
		if !bytes.Equal(want[i].Subject, got[i].Subject) || (want[i].Subject == nil) != (got[i].Subject == nil) {
			t.Fatalf("message %d: subject %q, want %q", i, got[i].Subject, want[i].Subject)
		}
	}
}

// ReasonOf returns the reason of a *pipeline.Reject in err, or "".
func ReasonOf(err error) string {
	var refused *pipeline.Reject
	if !errors.As(err, &refused) {
		return ""
	}
	return string(refused.Reason)
}
