package keycheck

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"testing"
	"testing/iotest"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keystore/keystoretest"
)

// file seals a payload as a raw file.
func file(t testing.TB, store kekcache.Store, size int, keks ...*kek) []byte {
	t.Helper()
	var out bytes.Buffer
	w := window(t, store, keks...).NewWriter(context.Background(), &out, envelope.Binding{})
	_, err := w.ReadFrom(bytes.NewReader(make([]byte, size)))
	must(t, err)
	must(t, w.Close())
	return out.Bytes()
}

// split divides a file behind its first envelope.
func split(t *testing.T, b []byte) (first, rest []byte) {
	t.Helper()
	in := bufio.NewReaderSize(bytes.NewReader(b), maxWhole)
	_, _, err := readEnvelope(in)
	must(t, err)
	rest, err = io.ReadAll(in)
	must(t, err)
	return b[:len(b)-len(rest)], rest
}

func TestRaw(t *testing.T) {
	k, lost := newKEK(t), newKEK(t)
	records := new(keystoretest.Memory)
	short, long := file(t, nil, 5, k, lost), file(t, nil, 10_000, k, lost)
	chunked := seal(t, window(t, nil, k, lost), 10_000) // recipients behind the ciphertext
	flipped := bytes.Clone(long)
	flipped[20] ^= 1 // in the position of the key record, which nothing here depends on
	record, _ := split(t, file(t, nil, 10_000, lost))
	_, payload := split(t, long)
	foreign := append(bytes.Clone(record), payload...)
	var e cms.Envelope
	must(t, cms.Parse(chunked, &e))
	head := bytes.Clone(chunked[:bytes.Index(chunked, e.Segments)])
	with := func(segments ...[]byte) []byte {
		return append(cms.AppendBreak(append(bytes.Clone(head), bytes.Join(segments, nil)...)), e.Recipients...)
	}
	_, behind := e.Segments.Next()
	first := e.Segments[:len(e.Segments)-len(behind)]
	_, short2 := behind.Next()
	for _, c := range []struct {
		name    string
		b       []byte
		refused string
	}{
		{"short", short, ""},
		{"long", long, ""},
		{"chunked", chunked, ""},
		{"by reference", file(t, records, 5, k, lost), ""},
		{"long by reference", file(t, records, 10_000, k, lost), ""},
		{"position flipped", flipped, ""},
		{"nothing", nil, "not-an-envelope"},
		{"plain", []byte("hello"), "not-an-envelope"},
		{"cut", long[:len(long)-1], "truncated"},
		{"cut in the head", short[:20], "truncated"},
		{"cut in the recipients", chunked[:len(chunked)-1], "truncated"},
		{"more behind", append(bytes.Clone(short), 0), "malformed"},
		{"more behind long", append(bytes.Clone(long), 0), "malformed"},
		{"as it was", with(e.Segments), ""},
		{"one segment", with(first), "malformed"},
		{"no segment", with(), "malformed"},
		{"a short one in front", with(short2, first, behind[:len(behind)-len(short2)]), "malformed"},
		{"a foreign record", foreign, "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checker := newChecker(t, Options{Store: records}, k)
			must(t, checker.Raw(t.Context(), "f", iotest.HalfReader(bytes.NewReader(c.b))))
			r := checker.Report()
			if c.refused != "" {
				if r.Refused[c.refused] != 1 || r.Envelopes != 0 || r.AllReadable() {
					t.Errorf("%+v", r)
				}
				return
			}
			if r.Readable != 1 || kekOf(t, r, lost.Name()).Envelopes != 1 || !r.AllReadable() || *r.Places[0].FirstReadable != 0 {
				t.Errorf("%+v", r)
			}
		})
	}
	if err := newChecker(t, Options{}, k).Raw(t.Context(), "f", iotest.ErrReader(context.Canceled)); err == nil {
		t.Error("an error of the input is lost")
	}
}

// FuzzRaw holds Raw to the parser of whole envelopes. Files of two parts are
// Raw's own.
func FuzzRaw(f *testing.F) {
	k := newKEK(f)
	f.Add(file(f, nil, 5, k))
	f.Add(file(f, nil, 10_000, k))
	f.Add(seal(f, window(f, nil, k), 10_000))
	f.Add(file(f, new(keystoretest.Memory), 10_000, k))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := newChecker(t, Options{})
		must(t, c.Raw(t.Context(), "f", bytes.NewReader(b)))
		var e cms.Envelope
		err := cms.Parse(b, &e)
		if err == nil && !e.ByReference {
			_, err = cms.ParseRecipients(e.Recipients, nil)
		}
		switch r := c.Report(); {
		case r.Envelopes == 0 && err == nil:
			t.Errorf("refused %v: %x", r.Refused, b)
		case r.Envelopes == 1 && err != nil && !bytes.Contains(b, []byte{0xd0}):
			t.Errorf("accepted, and %v: %x", err, b)
		}
	})
}
