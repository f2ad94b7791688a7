package traces_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/streamcrypt/streamcrypt/internal/traces"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID  = "00f067aa0ba902b7"
)

// secret is the beginning of everything that must not be in a span.
const secret = "card-4111"

// newSteps returns the steps of a batch, the first of which began at a time.
func newSteps(began time.Time, messages ...pipeline.Message) *pipeline.Steps {
	at := func(from, to int) pipeline.Step {
		return pipeline.Step{
			Began: began.Add(time.Duration(from) * time.Second), Ended: began.Add(time.Duration(to) * time.Second),
		}
	}
	return &pipeline.Steps{
		Messages: messages, Read: at(0, 1), Transform: at(2, 4), Write: at(5, 8), Commit: at(8, 9), Parts: 1,
	}
}

func newMessage(parent string) pipeline.Message {
	return pipeline.Message{
		Key: []byte(secret + "-key"), Value: []byte(secret + "-value"),
		Headers: []pipeline.Header{{Name: "note", Value: []byte(secret + "-header")}, {Name: "Traceparent", Value: []byte(parent)}},
		Origin:  pipeline.Origin{Place: "orders/3", Offset: 8812},
	}
}

// TestSpans: a batch is a span with its steps below it and a link to the span
// that a message comes from, and a call is one of its own. Nothing of a message
// is in them.
func TestSpans(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc")
	r := startReceiver(t)
	all, text := start(t, r.URL)
	route := all.NewRoute("orders", "encrypt")
	began := time.Now().Truncate(time.Second)
	route.ObserveSteps(newSteps(began, newMessage("00-"+traceID+"-"+spanID+"-01"), newMessage("00-"+traceID+"-"+spanID+"-01")))
	route.KeyCall(kekcache.KeyCall{
		Side: kekcache.Sealing, Op: "wrap", Key: "kek-1", Outcome: kekcache.OutcomeAway, Took: 3 * time.Second,
	})
	lost := newSteps(began, newMessage("none"))
	lost.Commit, lost.Err = pipeline.Step{}, errors.New("the disk is full")
	route.ObserveSteps(lost)
	all.Close()

	batches := r.find("encrypt batch")
	if len(batches) != 2 || r.names[0] != "streamcrypt" || r.paths[0] != "/v1/traces" {
		t.Fatalf("%d batches of %q at %q: %s", len(batches), r.names, r.paths, text)
	}
	if got := r.headers[0].Get("Authorization"); got != "Bearer abc" {
		t.Errorf("authorization %q", got)
	}
	b := batches[0]
	if b.StartTimeUnixNano != uint64(began.UnixNano()) || b.EndTimeUnixNano != uint64(began.Add(9*time.Second).UnixNano()) {
		t.Errorf("the batch is from %d to %d", b.StartTimeUnixNano, b.EndTimeUnixNano)
	}
	for name, want := range map[string]string{
		"streamcrypt.route": `string_value:"orders"`, "streamcrypt.place": `string_value:"orders/3"`,
		"streamcrypt.offset": "int_value:8812", "messaging.batch.message_count": "int_value:2",
		"streamcrypt.bytes": "int_value:56", "streamcrypt.parts": "int_value:1",
	} {
		if got := attributesOf(b)[name]; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if len(b.Links) != 1 || hex.EncodeToString(b.Links[0].TraceId) != traceID || hex.EncodeToString(b.Links[0].SpanId) != spanID {
		t.Errorf("links: %v", b.Links)
	}
	for name, want := range map[string]uint64{"read": 1, "transform": 2, "write": 3, "commit": 1} {
		steps := r.find(name)
		if len(steps) == 0 || !bytes.Equal(steps[0].ParentSpanId, b.SpanId) || !bytes.Equal(steps[0].TraceId, b.TraceId) ||
			steps[0].EndTimeUnixNano-steps[0].StartTimeUnixNano != want*1e9 {
			t.Errorf("%s: %v", name, steps)
		}
	}
	if got := batches[1]; len(r.find("commit")) != 1 || got.Status.Code != tracepb.Status_STATUS_CODE_ERROR ||
		got.Status.Message != "the disk is full" || len(got.Links) != 0 {
		t.Errorf("the batch that was lost: %v", got)
	}
	calls := r.find("key wrap")
	if len(calls) != 1 || len(calls[0].ParentSpanId) != 0 || attributesOf(calls[0])["streamcrypt.outcome"] != `string_value:"away"` ||
		calls[0].EndTimeUnixNano-calls[0].StartTimeUnixNano != uint64(3*time.Second) {
		t.Errorf("calls: %v", calls)
	}
	if bytes.Contains(r.raw, []byte(secret)) {
		t.Error("something of a message is in a span")
	}
	if text.String() != "" {
		t.Errorf("log: %s", text)
	}
}

// TestLinksAreBounded: a batch of many messages has a bounded number of links.
func TestLinksAreBounded(t *testing.T) {
	r := startReceiver(t)
	all, _ := start(t, r.URL+"/v1/traces")
	var messages []pipeline.Message
	for i := range 3 * traces.MaxLinks {
		messages = append(messages, newMessage(fmt.Sprintf("00-%s-%016x-00", traceID, i+1)))
	}
	all.NewRoute("orders", "decrypt").ObserveSteps(newSteps(time.Now(), messages...))
	all.Close()
	if b := r.find("decrypt batch"); len(b) != 1 || len(b[0].Links) != traces.MaxLinks || r.paths[0] != "/v1/traces" {
		t.Errorf("%d batches: %v; paths %q", len(b), b, r.paths)
	}
}

// TestCollectorAway: a collector that does not answer, or takes nothing, is
// told of once; routes do not wait for it, and neither does the end.
func TestCollectorAway(t *testing.T) {
	r := startReceiver(t)
	r.setAnswer(http.StatusServiceUnavailable)
	all, text := start(t, r.URL)
	route := all.NewRoute("orders", "encrypt")
	await := func(what, line string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); strings.Count(text.String(), line) != 1; {
			if time.Now().After(deadline) {
				t.Fatalf("%s: the log is\n%s", what, text)
			}
			time.Sleep(time.Millisecond)
		}
	}
	for range 10_000 { // far more than there is room for
		route.ObserveSteps(newSteps(time.Now(), newMessage("")))
	}
	await("the collector takes nothing", "level=WARN")
	r.setAnswer(0)
	await("the collector takes spans again", "taken by the collector again")
	if n := strings.Count(text.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, text)
	}
	all.Close()
}

// TestCloseDoesNotWait: a collector that takes a connection and never answers
// does not keep a process from ending.
func TestCloseDoesNotWait(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	all, _ := start(t, "http://"+l.Addr().String())
	all.NewRoute("orders", "encrypt").ObserveSteps(newSteps(time.Now()))
	all.Close() // the test times out if it waits
}

// TestMistakes: settings that cannot be used are found before anything starts,
// and their errors show no secret.
func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct{ endpoint, variable, value, want string }{
		"no URL":          {"collector:4318", "", "", "otel: not a URL of http or https"},
		"another machine": {"http://collector:4318", "", "", "otel: collector:4318 is another machine"},
		"a password":      {"https://me:" + secret + "@collector", "", "", "otel: the URL has a password or a query"},
		"a query":         {"https://collector?token=" + secret, "", "", "otel: the URL has a password or a query"},
		"gRPC":            {"http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL: "},
		"headers":         {"http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_TRACES_HEADERS", secret, "OTEL_EXPORTER_OTLP_TRACES_HEADERS: not a list"},
		"a header's line": {"http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_HEADERS", "a=" + secret + "%0A", "OTEL_EXPORTER_OTLP_HEADERS: not a list"},
		"timeout":         {"http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "OTEL_EXPORTER_OTLP_TIMEOUT: "},
		"certificate":     {"https://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_CERTIFICATE", "/absent", "OTEL_EXPORTER_OTLP_CERTIFICATE: "},
	} {
		t.Run(name, func(t *testing.T) {
			if c.variable != "" {
				t.Setenv(c.variable, c.value)
			}
			o := traces.Options{Endpoint: c.endpoint}
			err := o.Check()
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}
