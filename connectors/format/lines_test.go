package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestLines checks that lines are values to the byte, and come back as the same
// lines.
func TestLines(t *testing.T) {
	l := reading(t, Options{Format: Lines, MaxRecord: 1000})
	e := writing(t, Options{Format: Lines, MaxRecord: 1000}).NewEncoder()
	for _, c := range []struct {
		input string
		want  []string
	}{
		{"", nil},
		{"\n", []string{""}},
		{"a\n\n b \r\n\xff\n", []string{"a", "", " b \r", "\xff"}},
		{"a\nb", []string{"a", "b"}},
		{"\ufeffa\n\ufeffb\n", []string{"a", "\ufeffb"}},
		{"a\n" + strings.Repeat("x", 3000) + "\nb\n", []string{"a", "too-large", "b"}},
		{strings.Repeat("x", 999) + "\n", []string{strings.Repeat("x", 999)}},
		{strings.Repeat("x", 1000) + "\n", []string{"too-large"}},
		{"a\n" + strings.Repeat("x", 3000), []string{"a", "too-large"}},
	} {
		for _, step := range []int{1, 2, 500, 5000} {
			got, err := readOn(t, l, []byte(c.input), step)
			if err != nil || !slices.Equal(faultsOf(got), c.want) {
				t.Fatalf("%.20q, step %d: %.20q, %v", c.input, step, faultsOf(got), err)
			}
			var out []byte
			for i := range got {
				if got[i].Fault == nil {
					if out, err = e.Append(out, &got[i]); err != nil {
						t.Fatal(err)
					}
				}
			}
			if whole := strings.TrimPrefix(c.input, "\ufeff"); strings.HasSuffix(whole, "\n") && len(c.input) < 1000 && string(out) != whole {
				t.Errorf("%q came back as %q", c.input, out)
			}
		}
	}
	if _, err := readOn(t, l, []byte("\xfe\xff\x00a"), 10); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "UTF-16") {
		t.Error(err)
	}
}

func TestNoLine(t *testing.T) {
	w := writing(t, Options{Format: Lines, MaxRecord: 100})
	for reason, m := range map[string]pipeline.Message{
		"refused":   {},
		"too-large": {Value: make([]byte, 100)},
	} {
		if err := w.Check(&m, len(m.Value)); formattest.ReasonOf(err) != reason {
			t.Errorf("%s: %v", reason, err)
		}
	}
	m := pipeline.Message{Value: []byte("a\nb")}
	if out, err := w.NewEncoder().Append([]byte("x"), &m); formattest.ReasonOf(err) != "refused" || string(out) != "x" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := w.CheckLastLine([]byte("a")); !errors.Is(err, ErrTruncated) {
		t.Error(err)
	}
}

func TestFindKey(t *testing.T) {
	for _, c := range []struct{ path, line, want, err string }{
		{".id", `{"id":"a"}`, "a", ""},
		{".id", ` { "x" : [1,{"id":2},"}"] , "id" : 12.50 } `, "12.50", ""},
		{".id", `{"id":-1}`, "-1", ""},
		{".id", `{"id":""}`, "", ""},
		{".id", `{"id":"a\u00e4\"b"}`, "aä\"b", ""},
		{".id", `{"i\u0064":"a"}`, "a", ""},
		{".c.id", `{"id":1,"c":{"x":null,"id":"b"}}`, "b", ""},
		{".c.id", `{"c":7}`, "", `field ".c.id" is not there`},
		{".c.id", `{"d":7}`, "", `field ".c" is missing`},
		{".id", `{}`, "", "is missing"},
		{".id", `[{"id":1}]`, "", "no object"},
		{".id", `{"id":1,"id":2}`, "", "comes twice"},
		{".id", `{"id":null}`, "", "no string and no number"},
		{".id", `{"id":{"a":1}}`, "", "no string and no number"},
		{".id", `{"id":1`, "", "not JSON"},
		{".id", ``, "", "not JSON"},
	} {
		l := reading(t, Options{Format: Lines, Key: c.path})
		got, err := readOn(t, l, []byte(c.line+"\n"), 100)
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %d messages, %v", c.line, len(got), err)
		}
		switch fault := got[0].Fault; {
		case c.err == "" && (fault != nil || string(got[0].Key) != c.want || got[0].Key == nil || string(got[0].Value) != c.line):
			t.Errorf("%s: key %q, value %q, %v", c.line, got[0].Key, got[0].Value, fault)
		case c.err != "" && (formattest.ReasonOf(fault) != "malformed" || !strings.Contains(fault.Error(), "line 1: "+c.err) && !strings.Contains(fault.Error(), c.err)):
			t.Errorf("%s: %v, want %s", c.line, fault, c.err)
		}
	}
	for _, key := range []string{"id", ".", ".a..b", ".a."} {
		if _, err := ForReading(Options{Format: Lines, Key: key}); err == nil {
			t.Errorf("%q is accepted", key)
		}
	}
	if _, err := ForReading(Options{Format: NDJSON, Key: ".id"}); err == nil {
		t.Error("ndjson takes a key")
	}
}

// FuzzFindKey compares the key with the one that encoding/json finds.
func FuzzFindKey(f *testing.F) {
	for _, s := range []string{`{"a":{"b":"x"}}`, `{"a":1,"b":[{}]}`, `{"a":{"b":1e5},"c":"\\\""}`, `{"a" : {"b":"\ud800"}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		before := bytes.Clone(line)
		got, err := findKey(line, []string{"a", "b"})
		if !bytes.Equal(line, before) {
			t.Fatal("the line was changed")
		}
		if err != nil {
			return
		}
		var outer, inner map[string]json.RawMessage
		if json.Unmarshal(line, &outer) != nil || json.Unmarshal(outer["a"], &inner) != nil {
			t.Fatalf("%q has a key %q", line, got)
		}
		want := inner["b"]
		if want[0] == '"' {
			var s string
			if json.Unmarshal(want, &s) != nil {
				t.Fatalf("%q", line)
			}
			if want = []byte(s); !bytes.Contains(line, []byte{'\\'}) && bytes.ContainsRune(want, '\ufffd') {
				return // encoding/json replaces invalid UTF-8
			}
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%q: key %q, want %q", line, got, want)
		}
	})
}

// TestForeignLine checks that only a first line that is a JSON object of
// another kind is told as such.
func TestForeignLine(t *testing.T) {
	for line, want := range map[string]bool{
		"{\"order\":1}": true, "{}": true, "{\"value\":1}": false, "{": false, "x": false,
		"{\"value\":\"v\"}\n{\"order\":1}": false, "{\"value\":\"\\n\",\"other\":{\"a\":\"\\u0041\"}}": true,
	} {
		got, err := readOn(t, reading(t, Options{Format: NDJSON}), []byte(line+"\n"), 100)
		for _, m := range got {
			err = errors.Join(err, m.Fault)
		}
		if _, is := errors.AsType[*ForeignError](err); is != want {
			t.Errorf("%s: %v", line, err)
		}
	}
}
