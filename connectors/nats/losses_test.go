package nats

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// TestHoles counts sequences in front of the stream's first one, each once.
func TestHoles(t *testing.T) {
	var l losses
	l.noteHole(5, 9)
	l.noteHole(5, 9) // the lane began again
	l.noteHole(8, 12)
	for _, c := range []struct {
		first uint64
		found int64
	}{{5, 0}, {7, 2}, {7, 0}, {10, 3}, {20, 3}, {30, 0}} {
		if got := l.settle(c.first); got != c.found {
			t.Errorf("a stream that begins with %d: %d, want %d", c.first, got, c.found)
		}
	}
	if l.count() != 8 || l.areOpen() {
		t.Errorf("%d, %v", l.count(), l.holes)
	}
	l.noteHole(40, 39)
	if l.areOpen() {
		t.Error("an empty hole is kept")
	}
}

// TestHolesAreBounded notes more holes than are kept apart.
func TestHolesAreBounded(t *testing.T) {
	var l losses
	for i := range uint64(maxHoles + 50) {
		l.noteHole(2*i+1, 2*i+1)
	}
	if len(l.holes) != maxHoles {
		t.Errorf("%d holes", len(l.holes))
	}
	if found := l.settle(10 * maxHoles); found != maxHoles+50 {
		t.Errorf("%d of %d sequences count", found, maxHoles+50)
	}
}

// TestCountsLosses: only where each sequence is a message that somebody will
// miss does one that does not come count.
func TestCountsLosses(t *testing.T) {
	for name, change := range map[string]func(*Source){
		"shared":      func(s *Source) { s.Shared = true },
		"a filter":    func(s *Source) { s.config.FilterSubject = "a" },
		"filters":     func(s *Source) { s.config.FilterSubjects = []string{"a", "b"} },
		"last values": func(s *Source) { s.streamConfig.MaxMsgsPerSubject = 1 },
		"work queue":  func(s *Source) { s.streamConfig.Retention = jetstream.WorkQueuePolicy },
		"interest":    func(s *Source) { s.streamConfig.Retention = jetstream.InterestPolicy },
	} {
		s := &Source{}
		if !s.countsLosses() {
			t.Error("a whole stream does not count")
		}
		if change(s); s.countsLosses() {
			t.Errorf("%s: counts", name)
		}
	}
}
