package envelope_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
	"github.com/streamcrypt/streamcrypt/keystore/keystoretest"
)

// rawForms are files of every raw form, sealed for one KEK.
func rawForms(t *testing.T, kek *local.AES, store kekcache.Store) map[string][]byte {
	t.Helper()
	forms := map[string][]byte{}
	for _, n := range []int{0, 100, 4096, 4097, 40_000, 300_000} {
		for profile, o := range map[string]rigOptions{"self": {}, "ref": {store: store}} {
			var file bytes.Buffer
			w := newRigOf(t, kek, o).sealer(t, 4096).NewWriter(t.Context(), &file, envelope.Binding{})
			if _, err := w.Write(payload(n)); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			forms[fmt.Sprint(profile, " written ", n)] = file.Bytes()
			e, err := newRigOf(t, kek, o).sealer(t, 4096).Seal(t.Context(), nil, payload(n), envelope.Binding{})
			if err != nil {
				t.Fatal(err)
			}
			forms[fmt.Sprint(profile, " sealed ", n)] = e
		}
	}
	return forms
}

// TestRewrapCopy: every raw form stays what it was, but for who opens it.
func TestRewrapCopy(t *testing.T) {
	kek, to, store := newKEK(t), newKEK(t), new(keystoretest.Memory)
	for name, file := range rawForms(t, kek, store) {
		t.Run(name, func(t *testing.T) {
			want, err := io.ReadAll(openerWith(t, store, route, kek).NewReader(t.Context(), bytes.NewReader(file), envelope.Binding{}))
			if err != nil {
				t.Fatal(err)
			}
			copyOf := func(in io.Reader, counts envelope.RewrapCounts) []byte {
				r := newRewrapper(t, store, []keys.Unwrapper{kek}, to)
				var out bytes.Buffer
				got, err := r.Copy(t.Context(), &out, in)
				if err != nil || got != counts {
					t.Fatalf("%+v, want %+v, %v", got, counts, err)
				}
				opened, err := io.ReadAll(openerWith(t, store, route, to).NewReader(t.Context(), bytes.NewReader(out.Bytes()), envelope.Binding{}))
				if err != nil || !bytes.Equal(opened, want) {
					t.Errorf("opened: %d bytes of %d, %v", len(opened), len(want), err)
				}
				return out.Bytes()
			}
			out := copyOf(bytes.NewReader(file), envelope.RewrapCounts{Rewrapped: 1})
			if again := copyOf(onlyReader{bytes.NewReader(out)}, envelope.RewrapCounts{Already: 1}); !bytes.Equal(again, out) {
				t.Error("what had the recipients was changed")
			}
			if len(out) != len(file) {
				t.Errorf("%d bytes became %d, with KEKs of one kind", len(file), len(out))
			}
		})
	}
}

// TestRewrapCopyRefuses: a file that is cut anywhere, or longer than it should
// be, is refused.
func TestRewrapCopyRefuses(t *testing.T) {
	kek, to, store := newKEK(t), newKEK(t), new(keystoretest.Memory)
	for name, file := range rawForms(t, kek, store) {
		if len(file) > 50_000 {
			continue
		}
		step := max(1, len(file)/150)
		for n := 0; n <= len(file); n += step {
			r := newRewrapper(t, store, []keys.Unwrapper{kek}, to)
			_, err := r.Copy(t.Context(), io.Discard, onlyReader{bytes.NewReader(file[:n])})
			o := openerWith(t, store, route, kek)
			_, opened := io.ReadAll(o.NewReader(t.Context(), onlyReader{bytes.NewReader(file[:n])}, envelope.Binding{}))
			if (err == nil) != (opened == nil) {
				t.Fatalf("%s, %d bytes of %d: %v; opening them: %v", name, n, len(file), err, opened)
			}
			if err != nil {
				var refused *envelope.Error
				if !errors.As(err, &refused) {
					t.Fatal(err)
				}
			}
		}
		for _, tail := range []string{"x", "\xd0", "\xd8\x60"} {
			r := newRewrapper(t, store, []keys.Unwrapper{kek}, to)
			if _, err := r.Copy(t.Context(), io.Discard, bytes.NewReader(append(bytes.Clone(file), tail...))); err == nil {
				t.Errorf("%s: accepted with %q behind it", name, tail)
			}
		}
	}
}

// TestRewrapCopyOtherRecord: a key record in front of an envelope that is not
// its own.
func TestRewrapCopyOtherRecord(t *testing.T) {
	kek := newKEK(t)
	files := [2][]byte{}
	for i := range files {
		files[i] = rawForms(t, kek, new(keystoretest.Memory))["self written 40000"]
	}
	head := bytes.Index(files[0], []byte("\xd0\x83"))
	mixed := slices.Concat(files[0][:head], files[1][head:])
	r := newRewrapper(t, nil, []keys.Unwrapper{kek}, newKEK(t))
	_, err := r.Copy(t.Context(), io.Discard, bytes.NewReader(mixed))
	wantReason(t, err, "wrong-key")
}
