package keys

import (
	"context"
	"strings"
	"sync"
)

const (
	// maxRequests is how many ids a Requests keeps: the latest ones.
	maxRequests = 16
	// maxRequestID is the length of the longest id in bytes.
	maxRequestID = 128
)

// Requests collects the ids by which a key service names calls in its own log,
// such as the requestID of AWS CloudTrail. It is safe for concurrent use.
type Requests struct {
	outer *Requests // is told of the same ids; may be nil

	mu  sync.Mutex
	ids []string
}

type requestsKey struct{}

// CollectRequests returns a context that collects the ids of the calls that are
// made with it. Collections of ctx itself go on.
func CollectRequests(ctx context.Context) (context.Context, *Requests) {
	outer, _ := ctx.Value(requestsKey{}).(*Requests)
	r := &Requests{outer: outer}
	return context.WithValue(ctx, requestsKey{}, r), r
}

// NoteRequest tells the collections of ctx the id of a call. A key service
// calls it for each call that the service has answered, with a refusal too. An
// id that is not plain is left out, for it ends up in logs.
func NoteRequest(ctx context.Context, id string) {
	r, _ := ctx.Value(requestsKey{}).(*Requests)
	if r == nil || !isPlainID(id) {
		return
	}
	for ; r != nil; r = r.outer {
		r.addID(id)
	}
}

func isPlainID(id string) bool {
	isOdd := func(c rune) bool { return c <= ' ' || c > '~' }
	return id != "" && len(id) <= maxRequestID && !strings.ContainsFunc(id, isOdd)
}

func (r *Requests) addID(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ids) == maxRequests {
		r.ids = append(r.ids[:0], r.ids[1:]...)
	}
	r.ids = append(r.ids, id)
}

// IDs returns the ids, oldest first.
func (r *Requests) IDs() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.ids...)
}
