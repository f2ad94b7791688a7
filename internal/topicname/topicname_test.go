package topicname

import "testing"

func TestRebase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ written, of, want string }{
		{"{topic}.moved", "{topic}", "{topic-.moved}"},
		{"{topic-.sealed}.moved", "{topic}", "{topic-.moved}.sealed"},
		{"{topic-.sealed}.moved", "{topic-.sealed}", "{topic-.moved}"},
		{"{topic-.sealed}.moved", "shop/{topic-.eu.sealed}/x", "shop/{topic-.eu.moved}/x"},
		{"{topic-.eu.sealed}.moved", "{topic-.sealed}", "{topic-.moved}.eu"},
		{"{topic-.sealed}", "{topic}", "{topic}.sealed"},
		{"{topic-.sealed}.moved", "shop", "shop"},
		{"{topic}", "{topic}", "{topic}"},
		{"new.{topic}", "{topic}", ""},
		{"{topic-.sealed}.moved", "{topic-.other}", ""},
		{"all", "{topic}", ""},
		{"{topic}.moved", "{topic", ""},
	} {
		written, err := Parse(c.written)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := written.Rebase(c.of)
		if got != c.want && ok || ok != (c.want != "") {
			t.Errorf("%s of %s: %q, %t; want %q", c.of, c.written, got, ok, c.want)
		}
		of, err := Parse(c.of)
		if !ok || err != nil || !of.IsMapped() {
			continue
		}
		rebased, err := Parse(got)
		if err != nil {
			t.Fatal(err)
		}
		const topic = "orders.eu.sealed"
		want, _ := of.NameFor(topic)
		name, _ := written.NameFor(topic)
		if again, err := rebased.NameFor(name); again != want || err != nil {
			t.Errorf("%s of %s: %q, %v; want %q", got, name, again, err, want)
		}
	}
}

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
