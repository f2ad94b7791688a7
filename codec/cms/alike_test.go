package cms_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/docs/vectors"
)

// sameKey says what Match promises, slowly.
func sameKey(t testing.TB, given, b []byte) bool {
	t.Helper()
	var g, e cms.Envelope
	if err := cms.Parse(given, &g); err != nil {
		t.Fatal(err)
	}
	passed := func(e *cms.Envelope) bool { // labels that are passed over have no shape
		size := 70
		if e.ByReference {
			size = 38
		}
		if e.Coded {
			size += 12
		}
		return len(e.Protected) != size
	}
	return cms.Parse(b, &e) == nil && !g.Chunked && !e.Chunked && !passed(&g) && !passed(&e) &&
		g.ByReference == e.ByReference && g.Coded == e.Coded && g.Coding == e.Coding && bytes.Equal(g.Signature, e.Signature) &&
		bytes.Equal(g.Commitment, e.Commitment) && bytes.Equal(g.KID, e.KID) && bytes.Equal(g.Recipients, e.Recipients)
}

// checkRead fails t if Read reads an envelope otherwise than Parse.
func checkRead(t testing.TB, alike *cms.Alike, b []byte) {
	t.Helper()
	var parsed cms.Envelope
	if read := alike.Read(b); read != nil && (cms.Parse(b, &parsed) != nil || !reflect.DeepEqual(*read, parsed)) {
		t.Fatalf("read %+v, parsed %+v", *read, parsed)
	}
}

// TestAlike: of all vectors, and of all that differ from a good one in a bit or
// in their length, Match recognises those that it should.
func TestAlike(t *testing.T) {
	all, err := vectors.All()
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		given := []byte(all[i].Envelope)
		var e cms.Envelope
		if cms.Parse(given, &e) != nil || all[i].Expect != "ok" || len(given) > 2000 {
			continue
		}
		var alike cms.Alike
		if alike.Match(given) {
			t.Fatal("the zero value recognises something")
		}
		alike.Set(given, &e)
		check := func(b []byte, what string) {
			t.Helper()
			if got, want := alike.Match(b), sameKey(t, given, b); got != want {
				t.Fatalf("%s, %s: %v, want %v", all[i].Name, what, got, want)
			}
			checkRead(t, &alike, b)
		}
		if alike.Match(given) != sameKey(t, given, given) || !bytes.Equal(alike.Recipients(), e.Recipients) {
			t.Errorf("%s: itself", all[i].Name)
		}
		if at := len(given) - len(e.Recipients) - len(e.Ciphertext); len(e.Ciphertext) == 16 { // its head is one byte
			short := append(append(bytes.Clone(given[:at-1]), 0x4f), given[at+1:]...)
			check(short, "a ciphertext shorter than a tag")
			for _, size := range []int{cms.MaxSingle + 16, cms.MaxSingle + 17} {
				long := append(cms.AppendBytesHead(bytes.Clone(given[:at-1]), size), make([]byte, size)...)
				check(append(long, e.Recipients...), "a long ciphertext")
			}
		}
		for j := range all {
			check(all[j].Envelope, all[j].Name)
		}
		for bit := range 8 * len(given) {
			b := bytes.Clone(given)
			b[bit/8] ^= 1 << (bit % 8)
			check(b, "a bit")
		}
		for n := range given {
			check(given[:n], "cut")
			check(append(bytes.Clone(given[:n]), given[n+1:]...), "a byte less")
			check(append(append(bytes.Clone(given[:n]), 0), given[n:]...), "a byte more")
		}
	}
}

// FuzzAlike: Match recognises nothing that Parse refuses, and nothing of
// another key.
func FuzzAlike(f *testing.F) {
	all, err := vectors.All()
	if err != nil {
		f.Fatal(err)
	}
	var good [][]byte
	for i := range all {
		b := []byte(all[i].Envelope)
		var e cms.Envelope
		if cms.Parse(b, &e) == nil && len(b) < 2000 {
			good = append(good, b)
			f.Add(byte(len(good)-1), b)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		given := good[int(which)%len(good)]
		var e cms.Envelope
		if err := cms.Parse(given, &e); err != nil {
			t.Fatal(err)
		}
		var alike cms.Alike
		alike.Set(given, &e)
		if got, want := alike.Match(b), sameKey(t, given, b); got != want {
			t.Fatalf("%v, want %v", got, want)
		}
		checkRead(t, &alike, b)
	})
}
