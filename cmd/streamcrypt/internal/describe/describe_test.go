package describe

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/docs/vectors"
)

func TestVectors(t *testing.T) {
	byName, err := all()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range byName {
		t.Run(v.Name, func(t *testing.T) {
			r := addEnvelope(&Record{}, v.Envelope)
			// Of the faults only those of the form show without a key.
			var e cms.Envelope
			fault := cms.Parse(v.Envelope, &e)
			if fault == nil && !e.ByReference {
				_, fault = cms.ParseRecipients(e.Recipients, nil)
			}
			switch {
			case Reason(r.Err) != Reason(fault) || fault != nil && Reason(fault) != v.Expect:
				t.Fatalf("%v, want %v (%s)", r.Err, fault, v.Expect)
			case v.Expect == "ok" && !e.Coded && r.Envelope.Payload != int64(max(len(v.Plaintext), v.Length)):
				t.Errorf("payload of %d bytes, want %d", r.Envelope.Payload, len(v.Plaintext))
			}
			// As a stream it is refused too, if perhaps for a later fault. What
			// begins like a line of JSON is taken for one.
			if bytes.HasPrefix(v.Envelope, []byte("{")) {
				return
			}
			streamed, err := records(t, v.Envelope)
			if err != nil || len(streamed) != 1 || (streamed[0].Err == nil) != (r.Err == nil) {
				t.Errorf("streamed: %d records, %v", len(streamed), err)
			}
		})
	}
}

// all are the vectors by name.
var all = sync.OnceValues(func() (map[string]vectors.Vector, error) {
	list, err := vectors.All()
	byName := map[string]vectors.Vector{}
	for _, v := range list {
		byName[v.Name] = v
	}
	return byName, err
})

// vector returns the envelope of a vector.
func vector(t *testing.T, name string) []byte {
	t.Helper()
	byName, err := all()
	if err != nil {
		t.Fatal(err)
	}
	v, ok := byName[name]
	if !ok {
		t.Fatalf("no vector %s", name)
	}
	return bytes.Clone(v.Envelope)
}

// records reads an input and returns what was said of each envelope, in JSON
// without what differs from run to run.
func records(t *testing.T, in []byte) (out []*Record, err error) {
	t.Helper()
	err = Input(t.Context(), bytes.NewReader(in), func(r *Record) error {
		out = append(out, r)
		return nil
	})
	return out, err
}

func TestText(t *testing.T) {
	for _, c := range []struct{ name, vector, want string }{
		{"single", "self-contained-position-partition-not-kept", "\n  profile     self-contained, single\n  alg         A256GCM (3)\n  position    source "},
		{"next", "self-contained-position-partition-not-kept", ", 1 after the previous one\n"},
		{"ordered", "self-contained-position-distance-unknown", ", ordered, the previous one is unknown\n"},
		{"not ordered", "by-reference-position-distance-0", ", not ordered\n"},
		{"no source", "self-contained-position-no-place", "\n  position    none recorded\n"},
		{"largest", "by-reference-position-largest", "offset 281474976710655, "},
		{"by reference", "by-reference-single-7", "\n  profile   by-reference, single\n"},
		{"chunked", "self-contained-chunked-12288", "\n  chunks      3 of 4096 bytes, message id "},
		{"random nonce", "iv-largest", "\n  iv          ffffffffffffffffffffffff (lease 4294967295, counter 18446744073709551615, unless random)\n"},
		{"x25519", "recipient-x25519", "\n  recipient   ECDH-ES+A256KW (-31), kid "},
		{"rsa", "recipient-rsa2048", "\n  recipient   RSAES-OAEP w/ SHA-256 (-41), kid "},
		{"unknown kinds", "recipients-passed-over-all-kinds", " of kinds that this version does not know\n"},
		{"kms", "recipient-kms-only", "\n  recipient   AWS KMS (-1935867908), kid \"arn:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := records(t, vector(t, c.vector))
			if err != nil || len(got) != 1 || got[0].Err != nil {
				t.Fatalf("%+v, %v", got, err)
			}
			text := new(strings.Builder)
			if err := got[0].WriteText(text); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains("\n"+text.String(), c.want) {
				t.Errorf("%s\nwant %s", text, c.want)
			}
		})
	}
}

// TestTextOfStrangers: a kid that somebody has chosen moves no cursor.
func TestTextOfStrangers(t *testing.T) {
	e := bytes.Replace(vector(t, "recipient-kms-only"), []byte("arn:"), []byte("\x1b[2J"), 1)
	got, err := records(t, e)
	if err != nil || len(got) != 1 || got[0].Err != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	text := new(strings.Builder)
	if err := got[0].WriteText(text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), `kid "\x1b[2J`) || strings.ContainsRune(text.String(), 0x1b) {
		t.Errorf("%q", text)
	}
}

// TestStreamed reads envelopes that are longer than what is looked at at once:
// cut anywhere, they are truncated.
func TestStreamed(t *testing.T) {
	whole := vector(t, "self-contained-chunked-12288")
	for n := 2; n < len(whole); n++ { // a lone first byte says nothing yet
		got, err := records(t, whole[:n])
		if err != nil || len(got) != 1 || Reason(got[0].Err) != "truncated" {
			t.Fatalf("%d of %d bytes: %+v, %v", n, len(whole), got[0], err)
		}
	}
	got, err := records(t, append(bytes.Clone(whole), 0))
	if err != nil || len(got) != 1 || Reason(got[0].Err) != "malformed" {
		t.Errorf("a byte behind: %+v, %v", got, err)
	}
}

func TestInputs(t *testing.T) {
	record, long := vector(t, "key-record"), vector(t, "by-reference-chunked-8193")
	for _, c := range []struct {
		name string
		in   string
		want string // kind or error of each record
	}{
		{"empty", "", "not-an-envelope"},
		{"a key record alone", string(record), "-"},
		{"a key record and its envelope", string(record) + string(long), "key record, value"},
		{"and something behind", string(record) + string(long) + "x", "key record, malformed"},
		{"two self-contained ones", string(record) + string(record), "malformed"},
		{"two by reference", string(long) + string(long), "malformed"},
		{"plaintext lines", `{"value":"x"}` + "\n" + `{"value":null}` + "\n", "not-an-envelope, bare-tombstone"},
		{"lines with envelopes", `{"key":"","value64":"` + base64.StdEncoding.EncodeToString(long) + `"}` + "\n" +
			`{"value":null,"headers":[["a","b"],["streamcrypt",{"b64":"` + base64.StdEncoding.EncodeToString(record) + `"}]]}`, "value, tombstone"},
		{"a sequence that ends nowhere", seqMagic, "! truncated: no end behind the last record"},
		{"a line that is none", "{\n", "malformed"},
		{"a line that is none among others", `{"value":"x"}` + "\n{\n" + `{"value":null}`, "not-an-envelope, malformed, bare-tombstone"},
		{"a byte order mark", "\ufeff" + `{"value":"x"}`, "not-an-envelope"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := records(t, []byte(c.in))
			var words []string
			for _, r := range got {
				word := cmp.Or(r.Kind, "-")
				if r.Err != nil {
					word, _, _ = strings.Cut(r.Error, ":")
				}
				words = append(words, word)
			}
			if text := strings.Join(words, ", "); err == nil && text != c.want {
				t.Errorf("%s, want %s", text, c.want)
			}
			if want, fails := strings.CutPrefix(c.want, "! "); fails != (err != nil) || fails && !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func FuzzInput(f *testing.F) {
	byName, err := all()
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		v := byName[name]
		if len(v.Envelope) < 1000 {
			f.Add([]byte(v.Envelope))
		}
	}
	f.Add([]byte(seqMagic + "\x00\x00\x00\x01"))
	f.Add([]byte(`{"value":"x","headers":[["streamcrypt","y"]]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		_ = Input(t.Context(), bytes.NewReader(in), func(r *Record) error {
			if (r.Err == nil) != (r.Envelope != nil) || (r.Err == nil) != (r.Error == "") {
				t.Errorf("neither an envelope nor an error, or both: %+v", r)
			}
			if e := r.Envelope; e != nil && (e.Payload < 0 || e.Payload > e.Size || e.Chunks < 1 || e.Unknown < 0) {
				t.Errorf("%+v", e)
			}
			return r.WriteText(io.Discard)
		})
	})
}
