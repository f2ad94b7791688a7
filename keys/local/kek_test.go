package local

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys"
)

// kek is what every KEK with a private key is.
type kek interface {
	keys.Wrapper
	keys.Unwrapper
}

var noContext keys.Context

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// sequence returns n bytes that count up from first.
func sequence(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// keks returns one KEK of each kind.
func keks(t testing.TB) map[string]kek {
	return map[string]kek{
		"aes":    must[*AES](t)(NewAES(sequence(0x40, AESKeySize))),
		"x25519": must[*X25519](t)(ParseX25519(testdata(t, "x25519.pem"))),
		"rsa":    must[*RSA](t)(ParseRSA(testdata(t, "rsa.pem"))),
	}
}

func isClass(err error, op string, class keys.Class) bool {
	var ke *keys.Error
	return errors.As(err, &ke) && ke.Class == class && ke.Op == op
}

func TestRoundTrip(t *testing.T) {
	dek := sequence(0, keys.DEKSize)
	for name, k := range keks(t) {
		t.Run(name, func(t *testing.T) {
			w, err := k.Wrap(t.Context(), noContext, dek)
			if err != nil {
				t.Fatal(err)
			}
			if !k.Fits(&w) {
				t.Errorf("does not fit its own wrapping")
			}
			got, err := k.Unwrap(t.Context(), noContext, []byte("before"), &w)
			if err != nil || !bytes.Equal(got, append([]byte("before"), dek...)) {
				t.Errorf("%x, %v", got, err)
			}
			if again, err := k.Wrap(t.Context(), noContext, dek); err != nil {
				t.Error(err)
			} else if same := bytes.Equal(again.Ciphertext, w.Ciphertext); same != (name == "aes") {
				t.Errorf("second wrapping is the same: %v", same)
			}
			kid := bytes.Clone(w.KID)
			clear(w.KID)
			if w, err := k.Wrap(t.Context(), noContext, dek); err != nil || !bytes.Equal(w.KID, kid) {
				t.Errorf("a caller of Wrap changed the id to %x: %v", w.KID, err)
			}
		})
	}
}

func TestWrapRefusesOtherSizes(t *testing.T) {
	for name, k := range keks(t) {
		for _, n := range []int{0, 16, 31, 33, 40} {
			if _, err := k.Wrap(t.Context(), noContext, make([]byte, n)); !isClass(err, "wrap", keys.Gone) {
				t.Errorf("%s, %d bytes: %v", name, n, err)
			}
		}
	}
}

func TestFitsByAlgAndKID(t *testing.T) {
	all := keks(t)
	for name, k := range all {
		w := must[keys.Wrapped](t)(k.Wrap(t.Context(), noContext, make([]byte, keys.DEKSize)))
		for other, o := range all {
			if got := o.Fits(&w); got != (name == other) {
				t.Errorf("%s fits the wrapping of %s: %v", other, name, got)
			}
		}
		for what, change := range map[string]func(*keys.Wrapped){
			"SHA-1":     func(w *keys.Wrapped) { w.Alg = -40 },
			"no alg":    func(w *keys.Wrapped) { w.Alg = 0 },
			"no kid":    func(w *keys.Wrapped) { w.KID = nil },
			"short kid": func(w *keys.Wrapped) { w.KID = w.KID[:7] },
			"other kid": func(w *keys.Wrapped) { w.KID = bytes.Repeat([]byte{1}, kidSize) },
		} {
			w := w
			change(&w)
			if k.Fits(&w) {
				t.Errorf("%s fits a wrapping with %s", name, what)
			}
			if _, err := k.Unwrap(t.Context(), noContext, nil, &w); !isClass(err, "unwrap", keys.BadWrap) {
				t.Errorf("%s unwraps one with %s: %v", name, what, err)
			}
		}
	}
}

// A changed wrapping is refused wherever it was changed: the recipients of an
// envelope are not covered by its tag, so nobody else would notice.
func TestUnwrapRefusesChanges(t *testing.T) {
	dek := sequence(0, keys.DEKSize)
	for name, k := range keks(t) {
		good := must[keys.Wrapped](t)(k.Wrap(t.Context(), noContext, dek))
		refuse := func(what string, w keys.Wrapped) {
			t.Helper()
			got, err := k.Unwrap(t.Context(), noContext, nil, &w)
			if !isClass(err, "unwrap", keys.BadWrap) || got != nil {
				t.Errorf("%s: %s: %x, %v", name, what, got, err)
			}
		}
		for _, part := range []struct {
			name string
			of   func(*keys.Wrapped) *[]byte
		}{
			{"ciphertext", func(w *keys.Wrapped) *[]byte { return &w.Ciphertext }},
			{"ephemeral", func(w *keys.Wrapped) *[]byte { return &w.Ephemeral }},
		} {
			whole := *part.of(&good)
			if len(whole) == 0 {
				continue
			}
			change := func(what string, b []byte) {
				w := good
				*part.of(&w) = b
				refuse(part.name+" "+what, w)
			}
			step := 1
			if name == "rsa" {
				step = 61 // a millisecond each; 61 meets every bit of a byte
			}
			for bit := 0; bit < 8*len(whole); bit += step {
				b := bytes.Clone(whole)
				b[bit/8] ^= 1 << (bit % 8)
				change(fmt.Sprintf("bit %d", bit), b)
			}
			for n := range whole {
				change(fmt.Sprintf("cut to %d", n), whole[:n])
			}
			change("one longer", append(bytes.Clone(whole), 0))
			change("eight longer", append(bytes.Clone(whole), make([]byte, 8)...))
			change("with a leading zero", append([]byte{0}, whole...))
		}
	}
}

func TestAKeyOfOtherLengthIsNoDEK(t *testing.T) {
	k := must[*AES](t)(NewAES(sequence(0x40, AESKeySize)))
	for _, n := range []int{16, 24, 40} {
		w := k.newWrapped(keys.AlgA256KW)
		w.Ciphertext = must[[]byte](t)(appendWrap(nil, k.block, make([]byte, n)))
		if _, err := k.Unwrap(t.Context(), noContext, nil, &w); !isClass(err, "unwrap", keys.BadWrap) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestNamesAndErrorsShowNoKey(t *testing.T) {
	secrets := []string{
		fmt.Sprintf("%x", sequence(0x40, 4)), fmt.Sprintf("%v", sequence(0x40, 4)),
		fmt.Sprintf("%x", sequence(0x20, 4)), fmt.Sprintf("%v", sequence(0x20, 4)),
		fmt.Sprintf("%x", sequence(0, 4)), fmt.Sprintf("%v", sequence(0, 4)),
	}
	for i, s := range secrets {
		secrets[i] = strings.Trim(s, "[]")
	}
	for name, k := range keks(t) {
		w := must[keys.Wrapped](t)(k.Wrap(t.Context(), noContext, sequence(0, keys.DEKSize)))
		w.Ciphertext[3] ^= 1
		_, unwrapErr := k.Unwrap(t.Context(), noContext, nil, &w)
		_, wrapErr := k.Wrap(t.Context(), noContext, sequence(0, 31))
		for _, err := range []error{unwrapErr, wrapErr} {
			if err == nil || !strings.HasPrefix(err.Error(), k.Name()+": ") {
				t.Errorf("%s: %v does not name the key first", name, err)
			}
		}
		shown := fmt.Sprint(k.Name(), unwrapErr, wrapErr) + fmt.Sprintf("%v %+v %#v %x", k, k, k, k)
		for _, s := range secrets {
			if strings.Contains(shown, s) {
				t.Errorf("%s: %q shows key bytes", name, shown)
			}
		}
	}
}

// The numbers of these vectors are Python cryptography's.
func TestVectors(t *testing.T) {
	for _, v := range []struct {
		name string
		kek  string // in keks
		w    keys.Wrapped
	}{
		{"local:d3307a75b1ff5a62", "aes", keys.Wrapped{
			Alg: -5, KID: unhex(t, "d3307a75b1ff5a62"),
			Ciphertext: unhex(t, "9ba74ec0a3394a43baa95548a2d07bd4ac4f6ead62c4dd166837dcc58680468653db29b899a7668d"),
		}},
		{"x25519:7761b9822401fe8f", "x25519", keys.Wrapped{
			Alg: -31, KID: unhex(t, "7761b9822401fe8f"),
			Ephemeral:  unhex(t, "675dd574ed7789310b3d2e7681f3790b466c773b1521fecf36577958371ea52f"),
			Ciphertext: unhex(t, "b9d06052ef61c275a000272c867857803692d420ace9647577cce45be1440925028d1af39e1569cf"),
		}},
		{"rsa:4e0feda4ef784df8", "rsa", keys.Wrapped{
			Alg: -42, KID: unhex(t, "4e0feda4ef784df8"),
			Ciphertext: unhex(t, "6813108e3ca6be56f47be8211267a6c382560c5537fa9f6f9a29823d094cfea5346df463f144459ec19d62a2a06e26a4"+
				"0fdf0ca7616b3769dd78047361c35f3a07ff32dc377e57a1933405cdcaf3f775607fdf045d1c3e57e54cc92a1de1e172"+
				"f4360d0721616353f0e72b638cf0339e3df03e540a34b950413ba6b4b6ba0a38ec026b76c5fbe13660a779a1fcdca4eb"+
				"8128474ef365b0ee82bf15079d86136c577036fe6a799b95d12ef649ab1501d48c375c6ce3acac004141a65a15b39b0e"+
				"01cb5e933f383497df004661ca894aab2ef0318ac307983768d46d217c79cbe6a1cf2b6b32ed733099940bcdb6cd1b12"+
				"2e7baeac4744c22728ab86cb976a2e5f"),
		}},
	} {
		k := keks(t)[v.kek]
		if k.Name() != v.name {
			t.Errorf("name is %s, want %s", k.Name(), v.name)
		}
		dek, err := k.Unwrap(t.Context(), noContext, nil, &v.w)
		if err != nil || !bytes.Equal(dek, sequence(0, keys.DEKSize)) {
			t.Errorf("%s: %x, %v", v.name, dek, err)
		}
	}
}
