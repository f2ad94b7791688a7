package route

import (
	"context"
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/proof"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestRecordsBehindTheFirstPass: a later pass compares nothing that was stored
// after the first one began. A reading for keys takes those, too: the broker
// may have removed an envelope because of them.
func TestRecordsBehindTheFirstPass(t *testing.T) {
	var msgs []pipeline.Message
	for offset := int64(3); offset < 7; offset++ {
		m := pipeline.Message{Origin: pipeline.Origin{Place: "p", Offset: offset}, Value: make([]byte, 112)}
		msgs = append(msgs, m)
	}
	for fresh, want := range map[bool]int{false: 2, true: 4} {
		side := &comparedSide{opens: true, pass: 1, ends: map[string]int64{"p": 5}}
		var got int
		w := recordWriter{recordSink: &recordSink{side: side, ctx: t.Context(), fresh: fresh,
			take: func(_ context.Context, records []proof.Record) error {
				got += len(records)
				return nil
			}}}
		must(t, w.Write(t.Context(), msgs, nil))
		if got != want {
			t.Errorf("fresh %v: %d records, want %d", fresh, got, want)
		}
	}
}
