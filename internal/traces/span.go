package traces

import (
	crand "crypto/rand"
	"encoding/binary"
	"strings"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Attributes are named as OpenTelemetry has them, and with streamcrypt. in
// front where it has none.
func textOf(name, value string) *commonpb.KeyValue {
	value = cleanText(value)
	return &commonpb.KeyValue{
		Key: name, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}},
	}
}

// longestText is how many bytes of a text are sent.
const longestText = 1024

// cleanText cuts a text that is too long, and takes out bytes that are not
// UTF-8, which protobuf refuses.
func cleanText(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), longestText)], "\uFFFD")
}

func numberOf(name string, value int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{
		Key: name, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: value}},
	}
}

// newRoot returns a span that begins a trace. ids are random bytes.
func newRoot(name string, kind tracepb.Span_SpanKind, times pipeline.Step) *tracepb.Span {
	ids := make([]byte, 24)
	_, _ = crand.Read(ids) // it never fails
	return newSpan(name, kind, times, ids[:16:16], ids[16:])
}

// newChild returns a span below another one.
func newChild(parent *tracepb.Span, name string, kind tracepb.Span_SpanKind, times pipeline.Step) *tracepb.Span {
	id := make([]byte, 8)
	_, _ = crand.Read(id) // it never fails
	child := newSpan(name, kind, times, parent.TraceId, id)
	child.ParentSpanId = parent.SpanId
	return child
}

// sampledFlags says that a span is sampled, and that its parent is of this
// process (SpanFlags of OTLP).
const sampledFlags = 0x101

func newSpan(name string, kind tracepb.Span_SpanKind, times pipeline.Step, trace, id []byte) *tracepb.Span {
	return &tracepb.Span{
		TraceId: trace, SpanId: id, Name: name, Kind: kind, Flags: sampledFlags,
		StartTimeUnixNano: nanoseconds(times.Began), EndTimeUnixNano: nanoseconds(times.Ended),
	}
}

func nanoseconds(t time.Time) uint64 {
	return uint64(max(0, t.UnixNano()))
}

// setFailure gives a span the status of an error.
func setFailure(span *tracepb.Span, text string) {
	span.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: cleanText(text)}
}

// isSampled decides as the sampler traceidratio of OpenTelemetry does: by the
// last 63 bits of a trace's id.
func isSampled(trace []byte, share float64) bool {
	return share >= 1 || float64(binary.BigEndian.Uint64(trace[8:])>>1) < share*(1<<63)
}
