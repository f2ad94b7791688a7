package nats

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestFidelity writes messages, reads them, and finds them unchanged.
func TestFidelity(t *testing.T) {
	t.Parallel()
	everyByte := make([]byte, 256)
	for i := range everyByte {
		everyByte[i] = byte(i)
	}
	text := []byte{'x'}
	for c := range 256 {
		if c != '\r' && c != '\n' {
			text = append(text, byte(c))
		}
	}
	text = append(text, 'x')
	header := func(pairs ...string) (headers []pipeline.Header) {
		for i := 0; i < len(pairs); i += 2 {
			headers = append(headers, pipeline.Header{Name: pairs[i], Value: []byte(pairs[i+1])})
		}
		return headers
	}
	tests := []struct {
		name string
		msg  pipeline.Message
	}{
		{"bare", pipeline.Message{Value: []byte("v")}},
		{"empty value", pipeline.Message{Value: []byte{}}},
		{"null value", pipeline.Message{}},
		{"null value with key", pipeline.Message{Key: []byte("k")}},
		{"every byte in value and key", pipeline.Message{Value: everyByte, Key: everyByte}},
		{"empty key", pipeline.Message{Value: []byte("v"), Key: []byte{}}},
		{"empty key, null value", pipeline.Message{Key: []byte{}}},
		{"large", pipeline.Message{Value: bytes.Repeat([]byte("v"), 900_000), Key: bytes.Repeat([]byte("k"), 1000)}},
		{"headers", pipeline.Message{Value: []byte("v"), Headers: header("a", "2", "a", "1", "b", "", "z", "3")}},
		{"case of names", pipeline.Message{Value: []byte("v"), Headers: header("A-b", "1", "a-B", "2", "a-b", "3")}},
		{"every byte in a header", pipeline.Message{Value: []byte("v"), Headers: header("h", string(text))}},
		{"header that looks like a header", pipeline.Message{Value: []byte("v"), Headers: header("h", "NATS/1.0 503", "i", "a: b")}},
		{"status on a value", pipeline.Message{Value: []byte("v"), Headers: header("Description", "x", "Status", "503")}},
		{"all signs in a name", pipeline.Message{Value: []byte("v"), Headers: header("!#$%&'*+-.09AZ^_`az|~", "1")}},
	}
	b := startBroker(t, nil)
	b.stream("ENC", nil)
	c := b.connect()
	w := b.writer(b.sink(c, SinkOptions{Stream: "ENC"}))
	for i, test := range tests {
		m := test.msg
		m.Subject, m.Origin = []byte("enc.x"), pipeline.Origin{Place: "src", Offset: int64(i)}
		if err := w.Write(t.Context(), []pipeline.Message{m}, nil); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
	}
	v := serve(t, b.source(c, SourceOptions{Stream: "ENC", Consumer: "dec", Sealed: true, UntilEnd: true, ReadAhead: 4 << 20}))
	stored := b.stored("ENC")
	for read := 0; read < len(tests); {
		batch, err := v.lane.Read(t.Context(), 8<<20)
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range batch.Messages {
			test := tests[read+i]
			if !sameBytes(got.Key, test.msg.Key) || !sameBytes(got.Value, test.msg.Value) {
				t.Errorf("%s: got key %.20q value %.20q", test.name, got.Key, got.Value)
			}
			same := func(a, b pipeline.Header) bool { return a.Name == b.Name && sameBytes(a.Value, b.Value) }
			if !slices.EqualFunc(got.Headers, test.msg.Headers, same) {
				t.Errorf("%s: got headers %q", test.name, got.Headers)
			}
			at := stored[read+i]
			if got.Origin.Place != "ENC" || got.Origin.Offset != int64(at.Sequence) || !got.Time.Equal(at.Time) || string(got.Subject) != "enc.x" {
				t.Errorf("%s: got %v %v %s", test.name, got.Origin, got.Time, got.Subject)
			}
		}
		read += len(batch.Messages)
		batch.Release()
	}
	v.leave(nil)
}

// sameBytes tells null from empty.
func sameBytes(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

// TestForeignHeaders reads what others have published.
func TestForeignHeaders(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	tests := []struct {
		name    string
		headers natsgo.Header
		data    string
		key     []byte
		null    bool
		want    string
	}{
		{name: "reserved", headers: natsgo.Header{"Nats-Msg-Id": {"1"}, "Nats-Expected-Stream": {"ORDERS"}, "x": {"1"}}, data: "v", want: "Streamcrypt-Msg-Id=1 x=1 "},
		{name: "sorted", headers: natsgo.Header{"b": {"2", "1"}, "a": {"3"}, "B": {"4"}}, data: "v", want: "B=4 a=3 b=2 b=1 "},
		{name: "key", headers: natsgo.Header{KeyHeader: {"a2V5"}}, data: "v", key: []byte("key")},
		{name: "padded key", headers: natsgo.Header{KeyHeader: {"a2U="}}, data: "v", want: KeyHeader + "=a2U= "},
		{name: "two keys", headers: natsgo.Header{KeyHeader: {"YQ", "YQ"}}, data: "v", want: KeyHeader + "=YQ " + KeyHeader + "=YQ "},
		{name: "loose bits in a key", headers: natsgo.Header{KeyHeader: {"YR"}}, data: "v", want: KeyHeader + "=YR "},
		{name: "null", headers: natsgo.Header{NullHeader: {"value"}}, null: true},
		{name: "null with a value", headers: natsgo.Header{NullHeader: {"value"}}, data: "v", want: NullHeader + "=value "},
		{name: "other null", headers: natsgo.Header{NullHeader: {"key"}}, want: NullHeader + "=key "},
	}
	for _, test := range tests {
		b.publish(&natsgo.Msg{Subject: "orders", Data: []byte(test.data), Header: test.headers})
	}
	v := serve(t, b.source(b.connect(), SourceOptions{Stream: "ORDERS", Consumer: "enc", UntilEnd: true}))
	for read := 0; read < len(tests); {
		batch, err := v.lane.Read(t.Context(), readLimit)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range batch.Messages {
			test := tests[read+i]
			var got strings.Builder
			for _, h := range m.Headers {
				fmt.Fprintf(&got, "%s=%s ", h.Name, h.Value)
			}
			if got.String() != test.want || !sameBytes(m.Key, test.key) || (m.Value == nil) != test.null || string(m.Value) != test.data {
				t.Errorf("%s: got headers %q, key %q, value %q", test.name, got.String(), m.Key, m.Value)
			}
		}
		read += len(batch.Messages)
		batch.Release()
	}
	v.leave(nil)
}

func TestCheckHeaders(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		header pipeline.Header
		reason pipeline.Reason
	}{
		{"null value", pipeline.Header{Name: "h"}, "header"},
		{"CR", pipeline.Header{Name: "h", Value: []byte("secret\rb")}, "header"},
		{"LF", pipeline.Header{Name: "h", Value: []byte("secret\nb")}, "header"},
		{"leading space", pipeline.Header{Name: "h", Value: []byte(" secret")}, "header"},
		{"trailing space", pipeline.Header{Name: "h", Value: []byte("secret ")}, "header"},
		{"leading tab", pipeline.Header{Name: "h", Value: []byte("\tsecret")}, "header"},
		{"trailing tab", pipeline.Header{Name: "h", Value: []byte("secret\t")}, "header"},
		{"only a space", pipeline.Header{Name: "h", Value: []byte(" ")}, "header"},
		{"no name", pipeline.Header{Value: []byte("a")}, "header"},
		{"colon", pipeline.Header{Name: "a:b", Value: []byte("a")}, "header"},
		{"space in name", pipeline.Header{Name: "a b", Value: []byte("a")}, "header"},
		{"control in name", pipeline.Header{Name: "a\x00", Value: []byte("a")}, "header"},
		{"other script in name", pipeline.Header{Name: "größe", Value: []byte("a")}, "header"},
		{"long", pipeline.Header{Name: "h", Value: bytes.Repeat([]byte("v"), maxHeaderBlock)}, "header"},
		{"instruction", pipeline.Header{Name: "Nats-Rollup", Value: []byte("all")}, "reserved-header"},
		{"instruction to come", pipeline.Header{Name: "nats-whatever", Value: []byte("1")}, "reserved-header"},
		{"our key", pipeline.Header{Name: "streamcrypt-key", Value: []byte("a")}, "reserved-header"},
		{"our null", pipeline.Header{Name: NullHeader, Value: []byte("a")}, "reserved-header"},
		{"empty value", pipeline.Header{Name: "h", Value: []byte{}}, ""},
		{"like Nats", pipeline.Header{Name: "Natsy", Value: []byte("1")}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := CheckHeaders(&pipeline.Message{Headers: []pipeline.Header{test.header}})
			if test.reason == "" && err == nil {
				return
			}
			wantReject(t, err, test.reason)
			if strings.Contains(err.Error(), "secret") {
				t.Fatalf("the error holds the value: %v", err)
			}
		})
	}
}

// TestStatusOnEmpty: readers never see a message that has a Status header and
// no payload.
func TestStatusOnEmpty(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ENC", nil)
	s := b.sink(b.connect(), SinkOptions{Stream: "ENC"})
	m := message(1, "enc", []byte{})
	m.Headers = []pipeline.Header{{Name: "Status", Value: []byte("503")}}
	wantReject(t, s.Check(&m, 0), "header")
	if err := s.Check(&m, 1); err != nil {
		t.Fatal(err)
	}
}

func TestReservedIsSorted(t *testing.T) {
	t.Parallel()
	for _, name := range Reserved() {
		if !isOurs(name) {
			t.Errorf("%s is dropped by a Source and taken by a Sink", name)
		}
	}
	sorted := func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }
	if !slices.IsSortedFunc(reservedNames, sorted) {
		t.Error("not sorted")
	}
}

// FuzzHeaders holds CheckHeaders to what the client library does: a header that
// passes comes back as it was.
func FuzzHeaders(f *testing.F) {
	f.Add("name", []byte("value"))
	f.Add("a:b", []byte(" v"))
	f.Add("h", []byte("a\r\nb: c"))
	f.Add("Status", []byte("503"))
	f.Fuzz(func(t *testing.T, name string, value []byte) {
		m := pipeline.Message{Value: []byte("v"), Headers: []pipeline.Header{{Name: name, Value: append([]byte{}, value...)}}}
		if CheckHeaders(&m) != nil {
			return
		}
		wire := headerLine + name + ": " + encodeHeaders(&m)[name][0] + "\r\n" + headerEnd
		got, err := natsgo.DecodeHeadersMsg([]byte(wire))
		if err != nil || len(got) != 1 || len(got[name]) != 1 || got[name][0] != string(value) {
			t.Fatalf("%q: %q came back as %q (%v)", name, value, got, err)
		}
		if n := (&natsgo.Msg{Header: encodeHeaders(&m)}); n.Size() != len(wire) {
			t.Fatalf("the library counts %d bytes, the wire has %d", n.Size(), len(wire))
		}
	})
}

// FuzzDecode reads whatever headers others may have published.
func FuzzDecode(f *testing.F) {
	f.Add("a2V5", "value", []byte{})
	f.Add("", "", []byte("v"))
	f.Add("YQ\r", "value", []byte{})
	f.Add("====", "value", []byte("v"))
	f.Fuzz(func(t *testing.T, key, null string, payload []byte) {
		headers := natsgo.Header{KeyHeader: {key}, NullHeader: {null}}
		decoded, err := decodeKey(nil, headers)
		if err == nil && keyEncoding.EncodeToString(decoded) != key {
			t.Fatalf("%q and %q are one key", key, keyEncoding.EncodeToString(decoded))
		}
		if isNull(headers, payload) && len(payload) > 0 {
			t.Fatal("a value was taken for null")
		}
	})
}
