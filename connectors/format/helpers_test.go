package format

import (
	"bytes"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

func testArchive() Archive {
	return Archive{Front: formattest.Front, SealEnd: formattest.SealEnd, OpenEnd: formattest.OpenEnd}
}

// reading and writing return Layouts, with testArchive unless o has one.
func reading(t testing.TB, o Options) *Layout { return layout(t, o, ForReading) }
func writing(t testing.TB, o Options) *Layout { return layout(t, o, ForWriting) }

func layout(t testing.TB, o Options, check func(Options) (*Layout, error)) *Layout {
	t.Helper()
	if o.Archive.Front == nil {
		o.Archive = testArchive()
	}
	l, err := check(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// readAll returns copies of all messages of input, and why there were no more;
// nil at its end.
func readAll(t testing.TB, l *Layout, input []byte) ([]pipeline.Message, error) {
	t.Helper()
	var got []pipeline.Message
	d, b := l.NewDecoder(), new(Batch)
	for rest := input; ; {
		n, err := d.Next(rest, true)
		if err != nil {
			return got, err
		}
		if n == 0 {
			return got, d.Finish()
		}
		b.Reset()
		is, err := b.Decode(t.Context(), d, rest[:n])
		if err != nil {
			return got, err
		}
		if is {
			got = append(got, clone(b.Last()))
		}
		rest = rest[n:]
	}
}

func clone(m *pipeline.Message) pipeline.Message {
	c := *m
	c.Key, c.Value, c.Subject = bytes.Clone(m.Key), bytes.Clone(m.Value), bytes.Clone(m.Subject)
	c.Headers = slices.Clone(m.Headers)
	for i := range c.Headers {
		c.Headers[i].Value = bytes.Clone(c.Headers[i].Value)
	}
	return c
}
