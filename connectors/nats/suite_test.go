package nats

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

var carries = pipelinetest.Carries{Key: true, NullValue: true, Headers: true}

// put publishes messages as the Sink would, but without ids: the suite's have
// no origin.
func (b *broker) put(subject string, msgs []pipeline.Message) {
	b.t.Helper()
	published := make([]*natsgo.Msg, len(msgs))
	for i := range msgs {
		published[i] = &natsgo.Msg{Subject: subject, Header: encodeHeaders(&msgs[i]), Data: bytes.Clone(msgs[i].Value)}
	}
	b.publishAll(published)
}

// readBatches hands over the batches of a lane, up to the end of a bounded run.
func readBatches(ctx context.Context, l pipeline.Lane, limit int, take func(*pipeline.Batch) error) error {
	for {
		batch, err := l.Read(ctx, limit)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := take(batch); err != nil {
			return err
		}
		batch.Release()
	}
}

// messages reads a whole stream, through a Source that leaves nothing behind.
func (b *broker) messages(c *Conn, stream string) (msgs []pipeline.Message) {
	b.t.Helper()
	err := b.source(c, SourceOptions{Stream: stream, Sealed: true, UntilEnd: true}).Serve(b.t.Context(), func(ctx context.Context, l pipeline.Lane) error {
		return readBatches(ctx, l, readLimit, func(batch *pipeline.Batch) error {
			for _, m := range batch.Messages {
				m.Key, m.Value, m.Subject = bytes.Clone(m.Key), bytes.Clone(m.Value), bytes.Clone(m.Subject)
				var headers []pipeline.Header
				for _, h := range m.Headers {
					headers = append(headers, pipeline.Header{Name: h.Name, Value: bytes.Clone(h.Value)})
				}
				m.Headers = headers
				msgs = append(msgs, m)
			}
			return nil
		})
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return msgs
}

func fixed(t *testing.T, subject string) SubjectMap {
	t.Helper()
	m, err := ParseSubjectMap(subject, "")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSourceSuite(t *testing.T) {
	t.Parallel()
	pipelinetest.Source(t, pipelinetest.SourceSpec{
		Carries: carries, Resumes: true, ServesAgain: true, Live: true, Gaps: true,
		New: func(t *testing.T) pipelinetest.SourceMedium {
			b := startBroker(t, nil)
			b.stream("ORDERS", nil)
			c := b.connect()
			o := SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: time.Minute}
			bounded := o
			bounded.UntilEnd = true
			return pipelinetest.SourceMedium{
				Put:     func(msgs []pipeline.Message) { b.put("orders", msgs) },
				Bounded: func() pipeline.Source { return b.source(c, bounded) },
				Live:    func() pipeline.Source { return b.source(c, o) },
				Gap: func() {
					b.remove("ORDERS", b.publish(&natsgo.Msg{Subject: "orders", Data: []byte("deleted")}))
				},
			}
		},
	})
}

func TestSinkSuite(t *testing.T) {
	t.Parallel()
	pipelinetest.Sink(t, pipelinetest.SinkSpec{
		Carries: carries, Lanes: true, Refuses: true,
		New: func(t *testing.T) pipelinetest.SinkMedium {
			b := startBroker(t, nil)
			b.stream("ENC", nil)
			c := b.connect()
			return pipelinetest.SinkMedium{
				Sink:   func() pipeline.Sink { return b.sink(c, SinkOptions{Stream: "ENC", Subjects: fixed(t, "enc")}) },
				Stored: func() []pipeline.Message { return b.messages(c, "ENC") },
				Spoil:  func(m *pipeline.Message) { m.Headers = []pipeline.Header{{Name: "null"}} },
			}
		},
	})
}

func TestPairSuite(t *testing.T) {
	t.Parallel()
	pipelinetest.Pair(t, pipelinetest.PairSpec{
		Carries: carries, ExactlyOnce: true, // the duplicates window is longer than the test
		New: func(t *testing.T) pipelinetest.PairMedium {
			b := startBroker(t, nil)
			b.stream("ORDERS", nil)
			b.stream("ENC", nil)
			c := b.connect()
			return pipelinetest.PairMedium{
				Put: func(msgs []pipeline.Message) { b.put("orders", msgs) },
				Open: func() (pipeline.Source, pipeline.Sink) {
					source := b.source(c, SourceOptions{Stream: "ORDERS", Consumer: "enc", UntilEnd: true, AckWait: time.Minute})
					// What the source publishes under is not the sink's: the
					// suite's transforms leave it.
					return source, subjectless{b.sink(c, SinkOptions{Stream: "ENC", Subjects: fixed(t, "enc")})}
				},
				Stored: func() []pipeline.Message { return b.messages(c, "ENC") },
			}
		},
	})
}

// subjectless is a Sink that takes the subject from every message, as a
// Transform would change it.
type subjectless struct{ pipeline.Sink }

func (s subjectless) Open(ctx context.Context, l pipeline.Lane) (pipeline.Writer, error) {
	w, err := s.Sink.Open(ctx, l)
	return subjectlessWriter{w}, err
}

type subjectlessWriter struct{ pipeline.Writer }

func (w subjectlessWriter) Write(ctx context.Context, msgs []pipeline.Message, done *pipeline.Progress) error {
	for i := range msgs {
		msgs[i].Subject = nil
	}
	return w.Writer.Write(ctx, msgs, done)
}
