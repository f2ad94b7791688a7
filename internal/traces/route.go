package traces

import (
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Route makes the spans of one route.
type Route struct {
	traces    *Traces
	name      *commonpb.KeyValue
	direction string
}

var _ pipeline.StepObserver = (*Route)(nil)

// NewRoute returns the Route of this name. The direction is encrypt, decrypt,
// verify or rewrap.
func (t *Traces) NewRoute(name, direction string) *Route {
	return &Route{traces: t, name: textOf("streamcrypt.route", name), direction: direction}
}

// ObserveSteps implements pipeline.StepObserver.
func (r *Route) ObserveSteps(s *pipeline.Steps) {
	whole := pipeline.Step{Began: s.Read.Began, Ended: s.Read.Ended}
	batch := newRoot(r.direction+" batch", tracepb.Span_SPAN_KIND_CONSUMER, whole)
	if !isSampled(batch.TraceId, r.traces.share) {
		return
	}
	spans := append(make([]*tracepb.Span, 0, 5), batch)
	for _, step := range [...]struct {
		name string
		kind tracepb.Span_SpanKind
		*pipeline.Step
	}{
		{"read", tracepb.Span_SPAN_KIND_INTERNAL, &s.Read},
		{"transform", tracepb.Span_SPAN_KIND_INTERNAL, &s.Transform},
		{"write", tracepb.Span_SPAN_KIND_PRODUCER, &s.Write},
		{"commit", tracepb.Span_SPAN_KIND_INTERNAL, &s.Commit},
	} {
		if step.Ended.IsZero() {
			continue
		}
		batch.EndTimeUnixNano = nanoseconds(step.Ended)
		spans = append(spans, newChild(batch, step.name, step.kind, *step.Step))
	}
	r.describeBatch(batch, s)
	r.traces.sender.addSpans(spans)
}

// describeBatch gives the span of a batch its attributes and its links.
func (r *Route) describeBatch(span *tracepb.Span, s *pipeline.Steps) {
	span.Attributes = []*commonpb.KeyValue{
		r.name, numberOf("messaging.batch.message_count", int64(len(s.Messages))),
		numberOf("streamcrypt.parts", int64(s.Parts)), numberOf("streamcrypt.bytes", countBytes(s.Messages)),
	}
	if len(s.Messages) > 0 {
		first := &s.Messages[0].Origin
		span.Attributes = append(span.Attributes, textOf("streamcrypt.place", first.Place),
			numberOf("streamcrypt.offset", first.Offset))
	}
	for _, parent := range listParents(s.Messages) {
		span.Links = append(span.Links, &tracepb.Span_Link{
			TraceId: parent.trace[:], SpanId: parent.span[:], Flags: parent.linkFlags(),
		})
	}
	if s.Err != nil {
		setFailure(span, s.Err.Error())
	}
}

func countBytes(msgs []pipeline.Message) (n int64) {
	for i := range msgs {
		n += int64(len(msgs[i].Key) + len(msgs[i].Value))
	}
	return n
}

// KeyCall is told of a call of a key service or a key store, when it has ended:
// see kekcache.Observer. Many batches may wait for one call, so that its span
// is below none of them.
func (r *Route) KeyCall(c kekcache.KeyCall) {
	now := time.Now()
	span := newRoot("key "+c.Op, tracepb.Span_SPAN_KIND_CLIENT, pipeline.Step{Began: now.Add(-c.Took), Ended: now})
	if !isSampled(span.TraceId, r.traces.share) {
		return
	}
	span.Attributes = []*commonpb.KeyValue{
		r.name, textOf("streamcrypt.side", string(c.Side)), textOf("streamcrypt.outcome", string(c.Outcome)),
	}
	if c.Key != "" {
		span.Attributes = append(span.Attributes, textOf("streamcrypt.key", c.Key))
	}
	if c.Outcome != kekcache.OutcomeOK {
		setFailure(span, string(c.Outcome))
	}
	r.traces.sender.addSpans([]*tracepb.Span{span})
}
