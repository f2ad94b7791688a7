package kafka

import (
	"context"
	"errors"
	"testing"
)

// TestFailureEndsReads: a failure ends the read under way and every later one,
// the first reason counts, and a read that is over is left alone.
func TestFailureEndsReads(t *testing.T) {
	t.Parallel()
	f := newFailure()
	over, stop := f.bind(t.Context())
	stop()
	if f.reason() != nil || over.Err() == nil {
		t.Fatalf("after a good read: %v, %v", f.reason(), over.Err())
	}
	reading, stop := f.bind(t.Context())
	first := errors.New("the first")
	f.set(first)
	f.set(errors.New("the second"))
	<-reading.Done()
	if context.Cause(reading) != first || f.reason() != first {
		t.Errorf("the read: %v, the reason: %v", context.Cause(reading), f.reason())
	}
	stop()
	later, stop := f.bind(t.Context())
	defer stop()
	if later.Err() != context.Canceled {
		t.Error("a read after the failure goes on")
	}
}
