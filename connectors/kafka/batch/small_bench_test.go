//go:build unix

package batch

import (
	"io"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

const smallRecords = 1000

// BenchmarkReadSmall reads records of 100 B, with a key and with headers.
func BenchmarkReadSmall(b *testing.B) {
	headers := []kmsg.Header{{Key: "trace", Value: make([]byte, 16)}, {Key: "type", Value: []byte("order")}}
	for _, test := range []struct {
		name    string
		headers []kmsg.Header
	}{{"plain", nil}, {"headers", headers}} {
		b.Run(test.name, func(b *testing.B) {
			records := make([]raw, smallRecords)
			for i := range records {
				records[i] = raw{
					offset: int64(i), time: int64(i / 10), key: []byte("key-0123"), value: make([]byte, 100), headers: test.headers,
				}
			}
			set := encode(0, records, nil)
			var r Reader
			var into Records
			b.ReportAllocs()
			before := readCollector()
			for b.Loop() {
				into.Reset()
				r.Reset("orders/3", set, 0)
				if _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
				if more, err := r.Read(&into, 1<<30); more || err != nil {
					b.Fatal(more, err)
				}
				if _, err := r.Next(); err != io.EOF {
					b.Fatal(err)
				}
			}
			b.ReportMetric((readCollector().process-before.process)*1e9/float64(b.N)/smallRecords, "core-ns/record")
		})
	}
}

// BenchmarkAppendSmall makes a batch of records of 100 B.
func BenchmarkAppendSmall(b *testing.B) {
	msgs := make([]pipeline.Message, smallRecords)
	for i := range msgs {
		msgs[i] = pipeline.Message{
			Key: []byte("key-0123"), Value: make([]byte, 100), Time: time.UnixMilli(1_700_000_000_000 + int64(i/10)).UTC(),
		}
	}
	var a Appender
	var out []byte
	b.ReportAllocs()
	before := readCollector()
	for b.Loop() {
		a.Begin(out[:0])
		for i := range msgs {
			if a.Len()+a.Size(&msgs[i]) > 1<<30 {
				b.Fatal("full")
			}
			a.Append(&msgs[i])
		}
		set, err := a.Finish(Producer{ID: -1, Epoch: -1, Sequence: -1}, nil)
		if err != nil {
			b.Fatal(err)
		}
		out = set
	}
	b.ReportMetric((readCollector().process-before.process)*1e9/float64(b.N)/smallRecords, "core-ns/record")
}
