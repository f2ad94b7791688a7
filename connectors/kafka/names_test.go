package kafka

import (
	"slices"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
)

func TestTopicNames(t *testing.T) {
	t.Parallel()
	for text, several := range map[string]bool{
		"orders": false, "orders,refunds": true, `~orders\..*`: true, "~a,b": true,
	} {
		if n, err := ParseTopicNames(text); err != nil || n.MayBeSeveral() != several || n.String() != text {
			t.Errorf("%s: several %t, %v", text, n.MayBeSeveral(), err)
		}
	}
	for text, want := range map[string]string{
		"": "not a topic name", "a,": "not a topic name", "a,b,a": "listed twice", "~": "empty", "~(": "missing closing",
		"{topic}": "not a topic name", "a/b": "not a topic name",
	} {
		if _, err := ParseTopicNames(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestNameMap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, topic, want string }{
		{"all", "orders", "all"},
		{"{topic}", "orders", "orders"},
		{"{topic}.sealed", "orders", "orders.sealed"},
		{"x-{topic}-y", "orders", "x-orders-y"},
		{"{topic-.sealed}", "orders.sealed", "orders"},
		{"{topic-.sealed}.plain", "orders.sealed", "orders.plain"},
		{"{topic-.sealed}", "orders", ""},
		{"{topic-.sealed}", ".sealed", ""},
		{"{topic}.sealed", strings.Repeat("x", 249), ""},
	} {
		m, err := ParseNameMap(c.text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.NameFor(c.topic)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s for %s: %q, %v", c.text, c.topic, got, err)
		}
		if back, ok := m.SourceOf(got); c.want != "" && m.IsMapped() && (!ok || back != c.topic) {
			t.Errorf("%s: %s comes from %q", c.text, got, back)
		}
	}
	for _, text := range []string{
		"", "a,b", "{topic", "{topics}", "{topic-}", "{topic}{topic}", "{subject}", "a/{topic}", "{topic}}", "{{topic}",
	} {
		if _, err := ParseNameMap(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// FuzzNames: whatever is accepted makes good names, and only one topic is
// written to one name.
func FuzzNames(f *testing.F) {
	f.Add("{topic}.sealed", "orders")
	f.Add("{topic-.sealed}", "a.sealed")
	f.Add("~x", "y")
	f.Fuzz(func(t *testing.T, text, topic string) {
		_, _ = ParseTopicNames(text)
		m, err := ParseNameMap(text)
		if err != nil || cluster.CheckTopicName(topic) != nil {
			return
		}
		name, err := m.NameFor(topic)
		if err != nil {
			return
		}
		if err := cluster.CheckTopicName(name); err != nil {
			t.Errorf("%q for %q: %v", text, topic, err)
		}
		if back, ok := m.SourceOf(name); m.IsMapped() && (!ok || back != topic) {
			t.Errorf("%q: %q is of %q, not of %q", text, name, back, topic)
		}
	})
}

// TestSelectTopics: a pattern takes neither internal topics nor what the route
// writes.
func TestSelectTopics(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, pattern string
		written       []string
		existing      []string
		taken, left   []string
	}{
		{"all", `~.*`, nil, []string{"b", "a", "__consumer_offsets"}, []string{"a", "b"}, nil},
		{"whole names", `~orders`, nil, []string{"orders", "orders.x", "my-orders"}, []string{"orders"}, nil},
		{"alternatives are whole names", `~a|b`, nil, []string{"a", "b", "ax", "xb"}, []string{"a", "b"}, nil},
		{
			"images", `~orders\..*`, []string{"{topic}.sealed", "dead"},
			[]string{"orders.x", "orders.x.sealed", "orders.y.sealed"},
			[]string{"orders.x"}, []string{"orders.x.sealed", "orders.y.sealed"},
		},
		{
			"back again", `~orders\..*`, []string{"{topic-.sealed}"},
			[]string{"orders.x", "orders.x.sealed", "orders.y", "orders.z.sealed"},
			[]string{"orders.x.sealed", "orders.z.sealed"}, []string{"orders.x", "orders.y"},
		},
		{"dead letters", `~o.*`, []string{"{topic}.sealed", "o-dead"}, []string{"o-dead", "o"}, []string{"o"}, []string{"o-dead"}},
		{"letters by topic", `~o.*`, []string{"{topic}.dlq"}, []string{"o.dlq", "o"}, []string{"o"}, []string{"o.dlq"}},
		{"another namespace", `~in\..*`, []string{"sealed.{topic}"}, []string{"in.a", "sealed.in.a"}, []string{"in.a"}, nil},
	} {
		names, err := ParseTopicNames(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		var written []NameMap
		for _, text := range c.written {
			m, err := ParseNameMap(text)
			if err != nil {
				t.Fatal(err)
			}
			written = append(written, m)
		}
		taken, left := names.selectTopics(c.existing, written)
		if !slices.Equal(taken, c.taken) || !slices.Equal(left, c.left) {
			t.Errorf("%s: taken %q, left %q", c.name, taken, left)
		}
	}
}
