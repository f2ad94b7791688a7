package kafka

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
)

// appended makes a batch whose time is the broker's, as a topic with
// LogAppendTime stores it.
func appended(t *testing.T, at time.Time) []byte {
	t.Helper()
	var a batch.Appender
	a.Begin(nil)
	for _, m := range numbered(0, 5) {
		m.Time = time.UnixMilli(1_700_000_000_000)
		a.Append(&m)
	}
	raw, err := a.Finish(anonymous, nil)
	if err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint64(raw[35:], uint64(at.UnixMilli()))
	raw[22] |= 8
	return sealed(raw)
}

// TestAppendTime: the broker's time becomes that of the messages, and is
// written as their own. (kfake spoils the checksum of such batches, so there is
// no broker in this test.)
func TestAppendTime(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_750_000_000_123)
	read := func(set []byte) *batch.Records {
		var records batch.Records
		p := &partition{place: "in/0", stopAt: -1}
		p.reader.Reset(p.place, set, 0)
		if p.appendRecords(&records, 1<<20) {
			t.Fatal("there is more")
		}
		return &records
	}
	in := read(appended(t, at))
	var a batch.Appender
	a.Begin(nil)
	for i := range in.Messages {
		a.Append(&in.Messages[i])
	}
	out, err := a.Finish(anonymous, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out[22]&8 != 0 {
		t.Error("what we write says that the broker gave it its time")
	}
	for _, r := range []*batch.Records{in, read(out)} {
		if len(r.Messages) != 5 {
			t.Fatalf("%d messages", len(r.Messages))
		}
		for i := range r.Messages {
			if !r.Messages[i].Time.Equal(at) {
				t.Errorf("message %d has the time %v", i, r.Messages[i].Time)
			}
		}
	}
}
