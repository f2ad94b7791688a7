package nats

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

func TestOverlapSubjects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"a.b", "a.b", true}, {"a.b", "a.c", false}, {"a.*", "*.b", true}, {"a.*", "*.b.c", false},
		{"a.>", "a", false}, {"a.>", "a.b", true}, {">", "a", true}, {"*", "a.b", false}, {"a.*.c", "a.b.>", true},
		{"a.*.c", "b.>", false}, {"a", "a.b", false},
	} {
		if overlapSubjects(c.a, c.b) != c.want || overlapSubjects(c.b, c.a) != c.want {
			t.Errorf("%s and %s", c.a, c.b)
		}
	}
}

// TestFilterMatchesNothing: a filter under which no message of the stream can
// ever lie is refused when the source is opened, not waited with for ever.
func TestFilterMatchesNothing(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.stream("COPY", func(c *jetstream.StreamConfig) {
		c.Subjects = nil
		c.Mirror = &jetstream.StreamSource{Name: "ORDERS"}
	})
	c := b.connect()
	for _, test := range []struct {
		stream, filter string
		refused        bool
	}{
		{"ORDERS", "bills.>", true},
		{"ORDERS", "*.eu", false},
		{"ORDERS", "orders.*.x", false},
		{"ORDERS", "*", false},
		{"ORDERS", ">", false},
		{"ORDERS", "*.*", false},
		{"COPY", "bills.>", false}, // a mirror has the subjects of another stream
	} {
		o := SourceOptions{Stream: test.stream, UntilEnd: true, Filters: []string{"orders.eu", test.filter}, Log: quiet}
		if coversSubject(test.filter, "orders.eu") {
			o.Filters = []string{test.filter}
		}
		for name, open := range map[string]func() error{
			"open": func() error { _, err := NewSource(t.Context(), c, o); return err },
			"look": func() error { _, err := LookAtSource(t.Context(), c, o); return err },
		} {
			err := open()
			if (err != nil) != test.refused || err != nil && !strings.Contains(err.Error(), `"bills.>"`) {
				t.Errorf("%s %s %s: %v", name, test.stream, test.filter, err)
			}
		}
	}
}
