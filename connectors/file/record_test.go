package file

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// pieces returns its bytes in pieces of random length.
type pieces struct {
	b []byte
	r *rand.Rand
}

func (p *pieces) Read(dst []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(dst, p.b[:min(len(p.b), 1+p.r.IntN(300))])
	p.b = p.b[n:]
	return n, nil
}

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
	return m, p.message(&m, new(batch), 100)
}

func TestBodyAgainstOracle(t *testing.T) {
	enc, _ := oracleModes(t)
	big := pipeline.Message{Key: make([]byte, 255), Subject: make([]byte, 256), Value: make([]byte, 65536), Time: time.UnixMilli(1 << 40)}
	edge := pipeline.Message{Key: make([]byte, 23), Subject: make([]byte, 24), Value: make([]byte, 65535), Time: time.UnixMilli(-1)}
	for i, m := range append(messages(300), big, edge, pipeline.Message{}) {
		want, err := enc.Marshal(oracleOf(&m))
		if err != nil {
			t.Fatal(err)
		}
		if got := appendBody(nil, &m); !bytes.Equal(got, want) {
			t.Fatalf("message %d: % x, want % x", i, got[:20], want[:20])
		}
		got, err := parseBody(want)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		equal(t, []pipeline.Message{m}, []pipeline.Message{got})
	}
}

// FuzzBody holds the parser equal to fxamacker/cbor: it takes exactly what that library takes and
// would have written itself.
func FuzzBody(f *testing.F) {
	enc, dec := oracleModes(f)
	for _, m := range messages(20) {
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
