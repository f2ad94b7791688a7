package kafka

import (
	"testing"
)

// TestCompactedPlaces: a place is compacted if its own topic is, whatever other
// topics are; so is the destination of its messages, also while that is not
// open.
func TestCompactedPlaces(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	for topic, policy := range map[string]string{
		"in.a": "compact", "in.b": "delete", "in.c": "compact,delete", "in.d": "compact",
		"out.in.a": "delete", "out.in.b": "compact", "out.in.d": "compact,delete",
	} {
		if err := b.CreateTopic(topic, 1, map[string]string{"cleanup.policy": policy, "retention.ms": "-1"}); err != nil {
			t.Fatal(err)
		}
	}
	c := b.connect(nil)
	src := b.source(c, SourceOptions{Topic: `~in\..`, Group: "g"})
	sink := b.sink(c, SinkOptions{Topic: "out.{topic}", Source: src, Create: true, Expired: true})
	closed := &Sink{SinkOptions: sink.SinkOptions, cluster: c, names: sink.names}
	for place, want := range map[string]struct{ source, sink, notOpen bool }{
		"in.a/0": {true, false, true},
		"in.b/0": {false, true, false},
		"in.c/0": {true, true, true}, // its destination was made like it
		"in.d/0": {true, true, true},
		"in.z/0": {}, // no topic of the source
	} {
		if got := src.IsCompacted(place); got != want.source {
			t.Errorf("%s: compacted %t", place, got)
		}
		if got := sink.KeepsLastValues(place); got != want.sink {
			t.Errorf("%s: keeps last values %t", place, got)
		}
		if got := closed.KeepsLastValues(place); got != want.notOpen {
			t.Errorf("%s, before its destination is open: keeps last values %t", place, got)
		}
	}
}
