package format

import (
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// year returns the first moment of a year.
func year(n int) time.Time { return time.Date(n, 1, 1, 0, 0, 0, 0, time.UTC) }

func TestCheck(t *testing.T) {
	text := func(n int) []byte { return []byte(strings.Repeat("v", n)) }
	for _, c := range []struct {
		name        string
		m           pipeline.Message
		lines, seqs string // reasons
	}{
		{"small", pipeline.Message{Value: text(10), Headers: make([]pipeline.Header, 2)}, "", ""},
		{"null", pipeline.Message{}, "", ""},
		{"as long as a record", pipeline.Message{Value: text(184)}, "", ""},
		{"as long as a line", pipeline.Message{Value: text(187)}, "", "too-large"},
		{"longer once escaped", pipeline.Message{Value: []byte(strings.Repeat("\x01", 40))}, "too-large", ""},
		{"longer once encoded", pipeline.Message{Value: []byte(strings.Repeat("\xff", 150))}, "too-large", ""},
		{"longer than both", pipeline.Message{Value: text(188)}, "too-large", "too-large"},
		{"a long key", pipeline.Message{Key: text(200)}, "too-large", "too-large"},
		{"many headers", pipeline.Message{Headers: make([]pipeline.Header, 3)}, "header", "header"},
		{"year 0", pipeline.Message{Time: year(0)}, "", ""},
		{"year 9999", pipeline.Message{Time: year(10_000).Add(-1)}, "", ""},
		{"year -1", pipeline.Message{Time: year(0).Add(-1)}, "malformed", ""},
		{"year 10,000", pipeline.Message{Time: year(10_000)}, "malformed", ""},
		{"year 10,000 here", pipeline.Message{Time: year(10_000).Add(-1).In(time.FixedZone("", 3600))}, "", ""},
	} {
		for f, want := range map[Format]string{NDJSON: c.lines, Seq: c.seqs} {
			l := writing(t, Options{Format: f, MaxRecord: 200, MaxHeaders: 2})
			err := l.Check(&c.m, len(c.m.Value))
			if (err != nil) != (want != "") || formattest.ReasonOf(err) != want {
				t.Errorf("%s in %s: %v, want %q", c.name, f, err, want)
			}
			// What Check passes can be written, and what it refuses cannot.
			if _, err := l.NewEncoder().Append(nil, &c.m); (err != nil) != (want != "") || formattest.ReasonOf(err) != want {
				t.Errorf("%s in %s: written: %v, want %q", c.name, f, err, want)
			}
		}
	}
}

// TestCheckAhead checks the size of a value that is not there yet.
func TestCheckAhead(t *testing.T) {
	m := pipeline.Message{Value: []byte("old")}
	for f, most := range map[Format]int{NDJSON: 187, Seq: 184} {
		s := writing(t, Options{Format: f, MaxRecord: 200})
		if err := s.Check(&m, most); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		if err := s.Check(&m, most+1); formattest.ReasonOf(err) != "too-large" {
			t.Errorf("%s: %v", f, err)
		}
	}
}
