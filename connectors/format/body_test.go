package format

import (
	"bytes"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// oracle is a record as fxamacker/cbor sees it.
type oracle struct {
	_       struct{} `cbor:",toarray"`
	Key     []byte
	Headers []oracleHeader
	Time    int64
	Subject []byte
	Value   []byte
}

type oracleHeader struct {
	_     struct{} `cbor:",toarray"`
	Name  []byte
	Value []byte
}

func oracleModes(t testing.TB) (cbor.EncMode, cbor.DecMode) {
	t.Helper()
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	dec, err := cbor.DecOptions{IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	return enc, dec
}

func oracleOf(m *pipeline.Message) oracle {
	o := oracle{Key: m.Key, Headers: []oracleHeader{}, Time: m.Time.UnixMilli(), Subject: m.Subject, Value: m.Value}
	for _, h := range m.Headers {
		o.Headers = append(o.Headers, oracleHeader{Name: []byte(h.Name), Value: h.Value})
	}
	return o
}

func parseBody(b []byte) (pipeline.Message, error) {
	var m pipeline.Message
	p := bodyParser{b: bytes.Clone(b)}
	return m, p.parseMessage(&m, new(Batch), 100)
}

func TestBodyAgainstOracle(t *testing.T) {
	enc, _ := oracleModes(t)
	big := pipeline.Message{Key: make([]byte, 255), Subject: make([]byte, 256), Value: make([]byte, 65536), Time: time.UnixMilli(1 << 40)}
	edge := pipeline.Message{Key: make([]byte, 23), Subject: make([]byte, 24), Value: make([]byte, 65535), Time: time.UnixMilli(-1)}
	for i, m := range append(formattest.Messages(300), big, edge, pipeline.Message{}) {
		want, err := enc.Marshal(oracleOf(&m))
		if err != nil {
			t.Fatal(err)
		}
		if n := bodySize(&m, len(m.Value)); n != len(want) {
			t.Fatalf("message %d: sized %d, is %d", i, n, len(want))
		}
		if got := appendBody(nil, &m); !bytes.Equal(got, want) {
			t.Fatalf("message %d: % x, want % x", i, got[:20], want[:20])
		}
		got, err := parseBody(want)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		formattest.RequireEqual(t, []pipeline.Message{m}, []pipeline.Message{got})
	}
}

func TestBodyRefused(t *testing.T) {
	good := appendBody(nil, &pipeline.Message{Key: make([]byte, 200), Value: make([]byte, 200)})
	if _, err := parseBody(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		at   int
		was  []byte
		is   []byte
	}{
		{"an array of six", 0, []byte{0x85}, []byte{0x86}},
		{"an array of no fixed length", 0, []byte{0x85}, []byte{0x9f}},
		{"a key of no fixed length", 1, []byte{0x58, 200}, []byte{0x5f, 200}},
		{"a key of a reserved length", 1, []byte{0x58, 200}, []byte{0x5c, 200}},
		{"a key that is text", 1, []byte{0x58, 200}, []byte{0x78, 200}},
		{"a longer form of a length", 1, []byte{0x58, 200}, []byte{0x59, 0, 200}},
		{"a key longer than the record", 1, []byte{0x58, 200}, []byte{0x5a, 0xff, 0xff, 0xff, 0xff}},
		{"headers that are null", 203, []byte{0x80}, []byte{0xf6}},
		{"headers of no fixed length", 203, []byte{0x80}, []byte{0x9f}},
		{"more headers than the record", 203, []byte{0x80}, []byte{0x98, 100}},
	} {
		if !bytes.HasPrefix(good[c.at:], c.was) {
			t.Fatalf("%s: % x", c.name, good[c.at:c.at+4])
		}
		bad := append(append(bytes.Clone(good[:c.at]), c.is...), good[c.at+len(c.was):]...)
		if _, err := parseBody(bad); err == nil {
			t.Errorf("%s was taken", c.name)
		}
	}
	last := appendBody(nil, &pipeline.Message{Value: make([]byte, 128)})
	at := len(last) - 128
	for _, head := range []byte{0x5c, 0x5d, 0x5e, 0x5f} { // reserved, and of no fixed length
		if _, err := parseBody(append(append(bytes.Clone(last[:at-2]), head), last[at:]...)); err == nil {
			t.Errorf("a value after %#x was taken", head)
		}
	}
}

// FuzzBody holds the parser equal to fxamacker/cbor: it takes exactly what that
// library takes and would have written itself.
func FuzzBody(f *testing.F) {
	enc, dec := oracleModes(f)
	for _, m := range formattest.Messages(20) {
		f.Add(appendBody(nil, &m))
	}
	f.Add([]byte{0x85, 0xf6, 0x80, 0x18, 0x01, 0xf6, 0xf6}) // not the shortest form
	f.Add([]byte{0x85, 0xf6, 0x80, 0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf6, 0xf6})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseBody(b)
		var o oracle
		wantErr := dec.Unmarshal(b, &o)
		if wantErr == nil {
			again, encErr := enc.Marshal(o)
			if encErr != nil || !bytes.Equal(again, b) || o.Headers == nil { // null is no array of headers
				wantErr = errRecord
			}
		}
		if len(o.Headers) > 100 {
			return
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("% x: %v, oracle %v", b, err, wantErr)
		}
		if err != nil {
			return
		}
		if again := appendBody(nil, &got); !bytes.Equal(again, b) {
			t.Fatalf("% x written again is % x", b, again)
		}
	})
}
