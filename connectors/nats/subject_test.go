package nats

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestSubjectMap(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		to, strip, subject string
		want               string // "" is ErrSubject
		pattern            string
	}{
		{"enc.orders", "", "plain.x", "enc.orders", "enc.orders"},
		{"enc.orders", "", "", "enc.orders", "enc.orders"},
		{"enc.>", "", "orders.eu", "enc.orders.eu", "enc.>"},
		{"enc.>", "plain", "plain.orders.eu", "enc.orders.eu", "enc.>"},
		{"enc.>", "plain.>", "plain.orders.eu", "enc.orders.eu", "enc.>"},
		{"", "", "orders", "orders", ">"},
		{">", "", "orders", "orders", ">"},
		{"", "plain", "plain.orders", "orders", ">"},
		{"enc.>", "", "", "", "enc.>"},
		{"enc.>", "plain", "other.orders", "", "enc.>"},
		{"enc.>", "plain", "plain", "", "enc.>"},
		{"enc.>", "plain", "plainer.orders", "", "enc.>"},
		{"enc.>", "", "a..b", "", "enc.>"},
	} {
		m, err := ParseSubjectMap(test.to, test.strip)
		if err != nil {
			t.Errorf("%q %q: %v", test.to, test.strip, err)
			continue
		}
		got, err := m.Map([]byte("before "), []byte(test.subject))
		if test.want == "" {
			if !errors.Is(err, ErrSubject) || string(got) != "before " {
				t.Errorf("%q %q of %q: %q, %v", test.to, test.strip, test.subject, got, err)
			}
		} else if err != nil || string(got) != "before "+test.want {
			t.Errorf("%q %q of %q: %q, %v", test.to, test.strip, test.subject, got, err)
		}
		if m.Pattern() != test.pattern {
			t.Errorf("%q: pattern %q", test.to, m.Pattern())
		}
	}
}

func TestParseSubjectMapRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range [][2]string{
		{"enc.*", ""}, {"*", ""}, {"enc..x", ""}, {".", ""}, {"enc.", ""}, {"a b", ""}, {"a\r\nPUB x", ""},
		{".>", ""}, {"a.>.b", ""}, {"*.>", ""}, {">.>", ""},
		{"enc.>", "a..b"}, {"enc.>", "*"}, {"enc.orders", "plain"},
	} {
		if _, err := ParseSubjectMap(test[0], test[1]); err == nil {
			t.Errorf("%q, %q: no error", test[0], test[1])
		}
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		by, pattern string
		want        bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a", "a.b", false}, {"a.b", "a", false},
		{">", "a", true}, {">", "a.b.c", true}, {">", ">", true},
		{"a.>", "a", false}, {"a.>", "a.b", true}, {"a.>", "a.b.c", true}, {"a.>", "a.>", true}, {"a.b.>", "a.>", false},
		{"a.*", "a.b", true}, {"a.*", "a.b.c", false}, {"a.*", "a.>", false}, {"*.b", "a.b", true}, {"*", "a", true},
		{"a.b", "a.*", false}, {"a.*", "a.*", true},
	} {
		if got := coversSubject(test.by, test.pattern); got != test.want {
			t.Errorf("%q covers %q: %v", test.by, test.pattern, got)
		}
	}
}

func FuzzSubjectMap(f *testing.F) {
	f.Add("enc.>", "plain", "plain.a")
	f.Add("enc", "", "x")
	f.Add(">", "a.>", "a.b")
	f.Fuzz(func(t *testing.T, to, strip, subject string) {
		m, err := ParseSubjectMap(to, strip)
		if err != nil {
			return
		}
		got, err := m.Map(nil, []byte(subject))
		if err != nil {
			return
		}
		if !ValidSubject(string(got)) || bytes.ContainsAny(got, " \t\r\n") {
			t.Fatalf("%q", got)
		}
		if !coversSubject(m.Pattern(), string(got)) || strings.ContainsAny(string(got), "\x00\x7f") {
			t.Fatalf("%q is outside %q", got, m.Pattern())
		}
	})
}

func TestTermOf(t *testing.T) {
	for stored, want := range map[string]uint64{
		"2020-01-01T00:00:00Z":       0,
		"2020-01-01T00:00:01.5Z":     1500,
		"2026-03-04T05:06:07.00899Z": 194_763_967_008,
		"2054-11-03T19:53:47.776Z":   0, // 2^40 ms later
	} {
		at, err := time.Parse(time.RFC3339Nano, stored)
		if err != nil {
			t.Fatal(err)
		}
		if got := termOf(at); got != want {
			t.Errorf("%s: got %d, want %d", stored, got, want)
		}
	}
}
