package topicname

import "testing"

func TestTemplate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, topic, want string }{
		{"all", "orders", "all"},
		{"", "orders", ""},
		{"{topic}", "orders", "orders"},
		{"x-{topic}-y", "orders", "x-orders-y"},
		{"{topic-.sealed}", "orders.sealed", "orders"},
		{"{topic-.sealed}.plain", "orders.sealed", "orders.plain"},
	} {
		m, err := Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.NameFor(c.topic)
		if got != c.want || err != nil || m.String() != c.text {
			t.Errorf("%s for %s: %q, %v", c.text, c.topic, got, err)
		}
		back, ok := m.SourceOf(got)
		if m.IsMapped() != ok || ok && back != c.topic {
			t.Errorf("%s: %s comes from %q, %t", c.text, got, back, ok)
		}
	}
	short, err := Parse("{topic-.sealed}")
	if err != nil || !short.Shortens() {
		t.Error(err)
	}
	for _, topic := range []string{"orders", ".sealed", ""} {
		if name, err := short.NameFor(topic); err == nil {
			t.Errorf("%q became %q", topic, name)
		}
	}
	for _, text := range []string{"{topic", "{topics}", "{topic-}", "{topic}{topic}", "{topic}-{topic-x}"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
