package transform

import (
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestReservedNames: a user must not give a message an effect that only the
// source may give it.
func TestReservedNames(t *testing.T) {
	for _, test := range []struct {
		name                                string
		record, stream, fromRecord, fromOwn bool
	}{
		{name: "streamcrypt", record: true, stream: true, fromRecord: true, fromOwn: true},
		{name: "Streamcrypt-Rollup", record: true, stream: true},
		{name: "Streamcrypt-TTL", record: true, stream: true},
		{name: "Streamcrypt-Msg-Id", record: true, stream: true},
		{name: "streamcrypt-rollup", stream: true, fromOwn: true},
		{name: "Streamcrypt-Key", stream: true, fromOwn: true},
		{name: "stream"},
		{name: "KV-Operation"},
	} {
		for _, at := range []struct {
			effects bool
			medium  envelope.Medium
			want    bool
		}{
			{false, envelope.Topic, test.record}, {false, envelope.Stream, test.stream},
			{true, envelope.Topic, test.fromRecord}, {true, envelope.Stream, test.fromOwn},
		} {
			if got := hasReserved([]pipeline.Header{{Name: test.name}}, at.effects, at.medium); got != at.want {
				t.Errorf("%s, effects %v, medium %v: %v", test.name, at.effects, at.medium, got)
			}
		}
	}
}
