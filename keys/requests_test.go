package keys

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestRequests(t *testing.T) {
	NoteRequest(t.Context(), "nobody collects it")
	outside, outer := CollectRequests(t.Context())
	NoteRequest(outside, "a")
	inside, inner := CollectRequests(outside)
	NoteRequest(inside, "b")
	for _, odd := range []string{"", "two words", "line\nfeed", "é", strings.Repeat("x", maxRequestID+1)} {
		NoteRequest(inside, odd)
	}
	NoteRequest(outside, "c")
	if got := outer.IDs(); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("outside %q", got)
	}
	if got := inner.IDs(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("inside %q", got)
	}
}

// TestRequestsAreBounded: a service that is away for hours is called often.
func TestRequestsAreBounded(t *testing.T) {
	ctx, requests := CollectRequests(context.Background())
	for i := range 3 * maxRequests {
		NoteRequest(ctx, fmt.Sprint(i))
	}
	ids := requests.IDs()
	if len(ids) != maxRequests || ids[0] != fmt.Sprint(2*maxRequests) || ids[maxRequests-1] != fmt.Sprint(3*maxRequests-1) {
		t.Errorf("%q", ids)
	}
}
