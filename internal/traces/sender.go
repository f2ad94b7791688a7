package traces

import (
	"context"
	"sync"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const (
	// maxQueue is how many bytes of spans wait at most.
	maxQueue = 4 << 20
	// fullRequest is from how many bytes on a request is sent at once.
	fullRequest = 256 << 10
	// sendEvery is how long spans wait for others at most.
	sendEvery = 5 * time.Second
	// closeTime is how long the last spans may take.
	closeTime = 2 * time.Second
)

// Fields of TracesData and of the messages within it (OTLP's trace.proto).
const (
	resourceSpansField = 1 // of TracesData, and of the request of the service
	scopeSpansField    = 2 // of ResourceSpans
)

// sender keeps spans until they are sent. They lie there as they are sent, so
// that their memory is known.
type sender struct {
	client   *client
	resource []byte // a ResourceSpans that describes this process alone
	scope    []byte // a ScopeSpans with its name alone

	mu    sync.Mutex
	queue [][]byte // ScopeSpans
	size  int      // bytes in queue
	wake  chan struct{}
}

func newSender(c *client, about *resourcepb.Resource) *sender {
	return &sender{
		client: c, wake: make(chan struct{}, 1),
		resource: encodeMessage(&tracepb.ResourceSpans{Resource: about}),
		scope: encodeMessage(&tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{
			Name: "github.com/streamcrypt/streamcrypt",
		}}),
	}
}

// encodeMessage encodes a message. With texts of UTF-8 alone that cannot fail.
func encodeMessage(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic("traces: internal error: text that is not UTF-8")
	}
	return b
}

// addSpans takes spans that belong together, or drops them if there is no room.
func (s *sender) addSpans(spans []*tracepb.Span) {
	b := encodeMessage(&tracepb.ScopeSpans{Spans: spans})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size+len(b) > maxQueue {
		return
	}
	s.queue = append(s.queue, b)
	if s.size += len(b); s.size >= fullRequest {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// takeBody returns the body of the next request, of nearly fullRequest bytes,
// or nil. A message of protobuf may be in several pieces, one behind the other.
func (s *sender) takeBody() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size := 0, 0
	for n < len(s.queue) && size < fullRequest {
		size += len(s.queue[n])
		n++
	}
	if n == 0 {
		return nil
	}
	scope := append(make([]byte, 0, len(s.scope)+size), s.scope...)
	for _, b := range s.queue[:n] {
		scope = append(scope, b...)
	}
	clear(s.queue[:n])
	s.queue, s.size = s.queue[n:], s.size-size
	if len(s.queue) == 0 {
		s.queue = nil
	}
	all := protowire.AppendTag(s.resource[:len(s.resource):len(s.resource)], scopeSpansField, protowire.BytesType)
	all = protowire.AppendBytes(all, scope)
	return protowire.AppendBytes(protowire.AppendTag(nil, resourceSpansField, protowire.BytesType), all)
}

// run sends spans until ctx ends, and then those that are left: for closeTime
// at most, and not at all while the collector is away.
func (s *sender) run(ctx context.Context) {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if s.client.away.Load() {
			cancel()
			return
		}
		time.AfterFunc(closeTime, cancel)
	})()
	defer s.client.http.CloseIdleConnections()
	tick := time.NewTicker(sendEvery)
	defer tick.Stop()
	for sending.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-s.wake:
		}
		for body := s.takeBody(); body != nil && sending.Err() == nil; body = s.takeBody() {
			s.client.send(sending, body)
		}
		if ctx.Err() != nil {
			return
		}
	}
}
