package format

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

func decodeLine(line string) (pipeline.Message, error) {
	b := new(Batch)
	d := &lineDecoder{lineSplitter: lineSplitter{most: 1 << 20}, headers: 4}
	n, err := d.Next([]byte(line), true)
	if err != nil {
		return pipeline.Message{}, err
	}
	if _, err := b.Decode(context.Background(), d, []byte(line)[:n]); err != nil {
		return pipeline.Message{}, err
	}
	if b.Len() == 0 {
		return pipeline.Message{}, errNoMessage
	}
	return *b.Last(), nil
}

var errNoMessage = errors.New("a blank line")

func TestLineGood(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)
	for _, c := range []struct {
		line string
		want pipeline.Message
	}{
		{`{"value":""}`, pipeline.Message{Value: []byte{}}},
		{"\ufeff{\"value\":\"v\"}\r\n", pipeline.Message{Value: []byte("v")}},
		{`{"value":null}`, pipeline.Message{}},
		{`{"key":null,"value":"v"}`, pipeline.Message{Value: []byte("v")}},
		{`{"key":"","value":"v"}`, pipeline.Message{Key: []byte{}, Value: []byte("v")}},
		{` { "value" : "v" , "key" : "k" } ` + "\r\n", pipeline.Message{Key: []byte("k"), Value: []byte("v")}},
		{`{"key64":"/w==","value64":"AP8=","subject64":"/g=="}`,
			pipeline.Message{Key: []byte{0xff}, Value: []byte{0, 0xff}, Subject: []byte{0xfe}}},
		{`{"value64":""}`, pipeline.Message{Value: []byte{}}},
		{`{"value":"a\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00\u0000ä"}`, pipeline.Message{Value: []byte("a\"\\/\b\f\n\r\tä😀\x00ä")}},
		{`{"value":"v","headers":[["a","1"],["a",null],["b",{"b64":"/w=="}],[{"b64":"/g=="},""]]}`,
			pipeline.Message{Value: []byte("v"), Headers: []pipeline.Header{
				{Name: "a", Value: []byte("1")}, {Name: "a"}, {Name: "b", Value: []byte{0xff}}, {Name: "\xfe", Value: []byte{}}}}},
		{`{"value":"v","headers":[],"time":null,"subject":null}`, pipeline.Message{Value: []byte("v")}},
		{`{"value":"v","time":"2026-01-02T04:04:05.6789+01:00","subject":"s"}`,
			pipeline.Message{Value: []byte("v"), Time: at, Subject: []byte("s")}},
	} {
		got, err := decodeLine(c.line)
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		if !got.Time.Equal(c.want.Time) {
			t.Errorf("%s: time %v", c.line, got.Time)
		}
		formattest.RequireEqual(t, []pipeline.Message{c.want}, []pipeline.Message{got})
	}
}

func TestLineBad(t *testing.T) {
	for _, c := range []struct {
		line string
		want error
		text string
	}{
		{"[]\n", ErrMalformed, "'{' is due"},
		{"{}\n", ErrMalformed, `"value" is missing`},
		{"{\"key\":\"k\"}\n", ErrMalformed, `"value" is missing`},
		{"{\"value\":\"v\",\"colour\":1}\n", ErrMalformed, `unknown field "colour"`},
		{"{\"value\":\"v\",\"4111 1111\":1}\n", ErrMalformed, "malformed: line 1: unknown field"},
		{"{\"value\":\"v\",\"value\":\"w\"}\n", ErrMalformed, `"value" comes twice`},
		{"{\"value\":\"v\",\"value64\":\"\"}\n", ErrMalformed, `"value64" comes twice`},
		{"{\"key\":null,\"key64\":\"\",\"value\":\"v\"}\n", ErrMalformed, `"key64" comes twice`},
		{"{\"value\":\"v\",\"headers\":[],\"headers\":[]}\n", ErrMalformed, `"headers" comes twice`},
		{"{\"value\":1}\n", ErrMalformed, `field "value"`},
		{"{\"value64\":null}\n", ErrMalformed, `field "value64"`},
		{"{\"value64\":\"A\"}\n", ErrMalformed, "not base64"},
		{"{\"value64\":\"AB==\"}\n", ErrMalformed, "not base64"},
		{"{\"value64\":\"AAAA\\n\"}\n", ErrMalformed, "not base64"},
		{"{\"value\":\"\xff\"}\n", ErrMalformed, "not UTF-8"},
		{"{\"value\":\"\\ud800\"}\n", ErrMalformed, "not an escape"},
		{"{\"value\":\"\\ud800\\u0041\"}\n", ErrMalformed, "not an escape"},
		{"{\"value\":\"\\x41\"}\n", ErrMalformed, "not an escape"},
		{"{\"value\":\"\\u00g0\"}\n", ErrMalformed, "not an escape"},
		{"{\"value\":\"a\tb\"}\n", ErrMalformed, "control character"},
		{"{\"value\":\"v\",}\n", ErrMalformed, "is due"},
		{"{,\"value\":\"v\"}\n", ErrMalformed, "is due"},
		{"{\"value\":\"v\" \"key\":\"k\"}\n", ErrMalformed, "is due"},
		{"{\"value\":\"v\"}{}\n", ErrMalformed, "more than one"},
		{"{\"value\":nullx}\n", ErrMalformed, "is due"},
		{"{\"value\":\"v\",\"time\":\"yesterday\"}\n", ErrMalformed, "RFC 3339"},
		{"{\"value\":\"v\",\"time\":5}\n", ErrMalformed, `field "time"`},
		{"{\"value\":\"v\",\"headers\":{}}\n", ErrMalformed, `field "headers"`},
		{"{\"value\":\"v\",\"headers\":[[\"a\"]]}\n", ErrMalformed, `field "headers"`},
		{"{\"value\":\"v\",\"headers\":[[\"a\",\"b\",\"c\"]]}\n", ErrMalformed, `field "headers"`},
		{"{\"value\":\"v\",\"headers\":[[\"a\",\"b\"],]}\n", ErrMalformed, `field "headers"`},
		{"{\"value\":\"v\",\"headers\":[[null,\"b\"]]}\n", ErrMalformed, `field "headers"`},
		{"{\"value\":\"v\",\"headers\":[[\"a\",{\"b32\":\"\"}]]}\n", ErrMalformed, `unknown field "b32"`},
		{"{\"value\":\"v\",\"headers\":[" + strings.Repeat(`["a","b"],`, 4) + "[\"a\",\"b\"]]}\n", ErrTooLarge, "4 headers"},
		{"{\"value\":\"v\"\ufeff}\n", ErrMalformed, "is due"},
		{"{\"value\":{\"x\":1}}\n", ErrMalformed, `line 1: field "value": it is a JSON string`},
		{"\xff\xfe{\x00\"\x00", ErrMalformed, "UTF-16"},
		{"{\x00\"\x00", ErrMalformed, "UTF-16"},
		{`{"value":"v`, ErrTruncated, "not whole"},
		{`{"value":"v"`, ErrTruncated, "not whole"},
		{`{"value":`, ErrTruncated, "not whole"},
		{`{"value":"v","x":1}`, ErrMalformed, "unknown field"},
		{"{\"value\":\"" + strings.Repeat("v", 1<<20) + "\"}\n", ErrTooLarge, "line 1: more than"},
	} {
		_, err := decodeLine(c.line)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%.60q: got %v, want %v: %s", c.line, err, c.want, c.text)
		}
		if err != nil && strings.Contains(err.Error(), "4111") {
			t.Errorf("%v tells what the line holds", err)
		}
	}
}

// TestLineIsJSON checks the writer against encoding/json.
func TestLineIsJSON(t *testing.T) {
	for i, m := range formattest.Messages(300) {
		line := appendLine(nil, &m)
		var got struct {
			Key, Value *string
			Value64    []byte
		}
		if err := json.Unmarshal(line, &got); err != nil || bytes.Count(line, []byte("\n")) != 1 {
			t.Fatalf("message %d: %v", i, err)
		}
		if got.Value != nil && *got.Value != string(m.Value) || got.Value64 != nil && !bytes.Equal(got.Value64, m.Value) {
			t.Fatalf("message %d: another value", i)
		}
	}
}

func FuzzLineRoundTrip(f *testing.F) {
	f.Add([]byte("k"), []byte("v\"\\\x00\n\r\t\x7f\u2028"), []byte("\xff"), "n\xfe", int64(1e18), uint8(0))
	f.Add([]byte{}, []byte{}, []byte{}, "", int64(0), uint8(0xff))
	f.Fuzz(func(t *testing.T, key, value, header []byte, name string, nanos int64, null uint8) {
		m := pipeline.Message{Key: key, Value: value, Subject: header, Time: time.Unix(0, nanos).UTC()}
		m.Headers = []pipeline.Header{{Name: name, Value: header}, {Name: name, Value: value}}
		for i, b := range []*[]byte{&m.Key, &m.Value, &m.Subject, &m.Headers[0].Value, &m.Headers[1].Value} {
			if null>>i&1 == 1 {
				*b = nil
			} else if *b == nil {
				*b = []byte{}
			}
		}
		line := appendLine(nil, &m)
		if len(line) != lineSize(&m, len(m.Value)) || len(line) > lineBound(&m, len(m.Value)) {
			t.Fatalf("%d bytes, sized %d, bound %d", len(line), lineSize(&m, len(m.Value)), lineBound(&m, len(m.Value)))
		}
		got, err := decodeLine(string(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if !got.Time.Equal(m.Time) {
			t.Fatalf("time %v, want %v", got.Time, m.Time)
		}
		formattest.RequireEqual(t, []pipeline.Message{m}, []pipeline.Message{got})
	})
}

// FuzzLine checks that whatever is read is written and read again the same, and
// that what this parser takes encoding/json takes too.
func FuzzLine(f *testing.F) {
	for _, m := range formattest.Messages(20) {
		f.Add(appendLine(nil, &m))
	}
	f.Add([]byte(`{"value":"\ud83d\ude00\n","headers":[["a",{"b64":"AA=="}]]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		if len(line) == 0 {
			return
		}
		m, err := decodeLine(string(line))
		if err != nil {
			return
		}
		if !json.Valid(line) {
			t.Fatalf("not JSON: %q", line)
		}
		got, err := decodeLine(string(appendLine(nil, &m)))
		if err != nil {
			t.Fatal(err)
		}
		formattest.RequireEqual(t, []pipeline.Message{m}, []pipeline.Message{got})
	})
}
