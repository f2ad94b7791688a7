package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// readOn returns all messages of an input that arrives in steps of so many
// bytes, those that cannot be read included, and why there were no more. A
// restart before each record must change nothing.
func readOn(t testing.TB, l *Layout, input []byte, step int) ([]pipeline.Message, error) {
	t.Helper()
	var got []pipeline.Message
	d, b := l.NewDecoder(), new(Batch)
	for begin, end := 0, 0; ; {
		n, err := d.Next(input[begin:end], end == len(input))
		switch {
		case err != nil:
			return got, err
		case n == 0 && end == len(input):
			return got, d.Finish()
		case n == 0:
			end = min(end+step, len(input))
			continue
		}
		inPieces := d.InPieces()
		b.Reset()
		record := input[begin : begin+n]
		is, err := b.Decode(t.Context(), d, bytes.Clone(record))
		if fault, ok := errors.AsType[*pipeline.Reject](err); ok {
			b.AddFault(record, fault)
			is, err = true, nil
		}
		if err != nil {
			return got, err
		}
		if is {
			m := clone(b.Last())
			m.Fault = b.Last().Fault
			got = append(got, m)
		}
		begin += n
		if !inPieces {
			state := d.AppendState(nil)
			d = l.NewDecoder()
			if err := d.Restore(state); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// faultsOf returns a word for each message: its value, or why it cannot be
// read.
func faultsOf(msgs []pipeline.Message) (words []string) {
	for _, m := range msgs {
		if m.Fault == nil {
			words = append(words, string(m.Value))
			continue
		}
		words = append(words, formattest.ReasonOf(m.Fault))
	}
	return words
}

// TestFaultyLines checks that lines around one that cannot be read are read,
// and that lines are counted.
func TestFaultyLines(t *testing.T) {
	long := `{"value":"` + strings.Repeat("v", 5000) + `"}`
	input := "\ufeff\n{\"value\":\"a\"}\r\n\n  \n{\"valeu\":\"b\"}\n" + long + "\n{\"value\":\"c\"}\n" + long + "\n[]\n{\"value\":\"d\"}\n\n"
	l := reading(t, Options{Format: NDJSON, MaxRecord: 1000})
	for _, step := range []int{1, 7, 999, 4000, len(input)} {
		got, err := readOn(t, l, []byte(input), step)
		if err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		want := []string{"a", "malformed", "too-large", "c", "too-large", "malformed", "d"}
		if words := faultsOf(got); !slices.Equal(words, want) {
			t.Fatalf("step %d: %q", step, words)
		}
		for i, text := range map[int]string{1: "malformed: line 5: unknown field", 2: "too-large: line 6:", 5: "malformed: line 9:"} {
			if !strings.HasPrefix(got[i].Fault.Error(), text) {
				t.Errorf("step %d: %v, want %s", step, got[i].Fault, text)
			}
		}
		if string(got[1].Value) != "{\"valeu\":\"b\"}\n" || got[2].Value != nil {
			t.Errorf("step %d: values %q, %q", step, got[1].Value, got[2].Value)
		}
	}
}

// TestFaultyRecords checks that records around one that cannot be read are
// read, where it is known at which byte the next one begins, and that the end
// record then vouches for nothing.
func TestFaultyRecords(t *testing.T) {
	msgs := []pipeline.Message{
		{Value: []byte("one")}, {Value: []byte("two")}, {Value: []byte(strings.Repeat("3", 3000))}, {Value: []byte("four")},
	}
	whole := seqOf(t, msgs...)
	at := starts(whole)
	change := func(f func(b []byte)) []byte { b := bytes.Clone(whole); f(b); return b }
	var headers pipeline.Message
	for range 9 {
		headers.Headers = append(headers.Headers, pipeline.Header{Name: "h"})
	}
	long := string(msgs[2].Value)
	for name, c := range map[string]struct {
		file []byte
		max  int
		want []string
		err  error
	}{
		"sound":      {whole, 5000, []string{"one", "two", long, "four"}, nil},
		"checksum":   {change(func(b []byte) { b[at[1]+20] ^= 1 }), 5000, []string{"one", "malformed", long, "four"}, ErrMalformed},
		"large":      {whole, 1000, []string{"one", "two", "too-large", "four"}, ErrMalformed},
		"a length":   {change(func(b []byte) { b[at[1]+3]++ }), 5000, []string{"one"}, ErrMalformed},
		"too long":   {change(func(b []byte) { binary.BigEndian.PutUint32(b[at[1]:], 3020) }), 1000, []string{"one"}, ErrMalformed},
		"two in row": {change(func(b []byte) { b[at[1]+20] ^= 1; b[at[2]+20] ^= 1 }), 5000, []string{"one"}, ErrMalformed},
		"unknown type": {slices.Concat(whole[:at[1]], frame(append([]byte{9}, appendBody(nil, &msgs[1])...)...), whole[at[1]:]),
			5000, []string{"one", "malformed", "two", long, "four"}, ErrMalformed},
		"headers": {slices.Concat(whole[:at[1]], frame(append([]byte{0}, appendBody(nil, &headers)...)...), whole[at[1]:]),
			5000, []string{"one", "too-large", "two", long, "four"}, ErrMalformed},
	} {
		l := reading(t, Options{Format: Seq, MaxRecord: c.max, MaxHeaders: 8})
		for _, step := range []int{1, 13, 2000, len(c.file)} {
			got, err := readOn(t, l, c.file, step)
			if words := faultsOf(got); !slices.Equal(words, c.want) || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("%s, step %d: %.20q, then %v", name, step, words, err)
			}
		}
	}
}
