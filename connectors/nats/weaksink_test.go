package nats

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// TestEvictingSink: a sink that deletes messages which its source keeps is
// named with the limit. One that refuses messages instead, or keeps as many,
// is not.
func TestEvictingSink(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	c := b.connect()
	endless := jetstream.StreamConfig{MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1}
	limited := jetstream.StreamConfig{MaxMsgs: 10, MaxBytes: 4096, MaxMsgsPerSubject: 3}
	for _, test := range []struct {
		name string
		like jetstream.StreamConfig
		set  func(cfg *jetstream.StreamConfig)
		want string // "": no warning of this kind
	}{
		{"MSGS", endless, func(cfg *jetstream.StreamConfig) { cfg.MaxMsgs = 9 }, "more than 9 messages (max_msgs)"},
		{"BYTES", endless, func(cfg *jetstream.StreamConfig) { cfg.MaxBytes = 4095 }, "more than 4095 bytes (max_bytes)"},
		{"SUBJECT", endless, func(cfg *jetstream.StreamConfig) { cfg.MaxMsgsPerSubject = 1 },
			"more than 1 messages of a subject (max_msgs_per_subject)"},
		{"LESS", limited, func(cfg *jetstream.StreamConfig) { cfg.MaxMsgs = 9 }, "more than 9 messages (max_msgs)"},
		{"ALIKE", limited, func(cfg *jetstream.StreamConfig) {
			cfg.MaxMsgs, cfg.MaxBytes, cfg.MaxMsgsPerSubject = 10, 4096, 3
		}, ""},
		{"REFUSES", endless, func(cfg *jetstream.StreamConfig) {
			cfg.MaxMsgs, cfg.MaxBytes, cfg.Discard = 9, 4095, jetstream.DiscardNew
		}, ""},
		// Without discard_new_per_subject the limit of a subject still deletes.
		{"BOTH", endless, func(cfg *jetstream.StreamConfig) {
			cfg.MaxMsgsPerSubject, cfg.Discard = 1, jetstream.DiscardNew
		}, "max_msgs_per_subject"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b.stream(test.name, test.set)
			all := strings.Join(b.sink(c, SinkOptions{Stream: test.name, Like: &test.like}).Warnings(), "\n")
			if got := strings.Contains(all, "it deletes the oldest"); got != (test.want != "") {
				t.Errorf("a warning of deleted messages: %v\n%s", got, all)
			}
			if !strings.Contains(all, test.want) {
				t.Errorf("nothing about %q:\n%s", test.want, all)
			}
		})
	}
	b.stream("DEADONES", func(cfg *jetstream.StreamConfig) { cfg.MaxMsgs = 9 })
	letters := SinkOptions{Stream: "DEADONES", Like: &endless, IDs: IDOptions{DeadLetters: true}}
	if all := strings.Join(b.sink(c, letters).Warnings(), "\n"); strings.Contains(all, "it deletes the oldest") {
		t.Errorf("dead letters are compared with the source:\n%s", all)
	}
}
