package envelope_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// lie is a way in which input and output lie in one buffer: the output is
// appended behind the first out bytes, up to a capacity, and the input begins
// at in. As with cipher.AEAD they begin at one byte or have none in common.
type lie struct{ out, capacity, in int }

// lies are those of an input of n bytes that becomes up to most bytes.
func lies(n, most int) map[lie]bool {
	all := map[lie]bool{}
	ends := []int{0, 1, 5, 100}
	for _, out := range ends {
		for _, room := range []int{0, 1, n / 2, n - 1, n, n + 1, most} {
			capacity := out + max(0, room)
			for _, in := range []int{
				0, 1, out - n - 1, out - n, out - n/2, out - 1, out, out + 1, out + 20, out + n/2, out + n - 1, capacity - 1, capacity, capacity + 1, out + most,
			} {
				if in >= 0 {
					all[lie{out, capacity, in}] = true
				}
			}
		}
	}
	return all
}

// fits says that cipher.AEAD's rule allows it, by the capacity of the output.
func (l lie) fits(n int) (ok, exact bool) {
	switch {
	case n == 0 || l.capacity == l.out || l.in+n <= l.out || l.in >= l.capacity:
		return true, false
	case l.in == l.out:
		return true, true
	}
	return false, false
}

// check calls do with an output and an input that lie so, and checks that the
// result is right, or refused without a change.
func (l lie) check(t *testing.T, input []byte, most int, do func(dst, input []byte) ([]byte, error), right func(out []byte) error) {
	t.Helper()
	buf := bytes.Repeat([]byte{0xEE}, max(l.capacity, l.in+len(input))+most+16)
	in := buf[l.in : l.in+len(input)]
	copy(in, input)
	dst := buf[:l.out:l.capacity]
	before := bytes.Clone(dst)
	whole := bytes.Clone(buf)
	out, err := do(dst, in)
	ok, _ := l.fits(len(input))
	switch {
	case ok && err != nil:
		t.Errorf("%+v: %v", l, err)
	case err == nil && (!bytes.Equal(out[:l.out], before) || right(out[l.out:]) != nil):
		t.Errorf("%+v: wrong: %v", l, right(out[l.out:]))
	case err != nil && (!errors.Is(err, envelope.ErrOverlap) || !bytes.Equal(out, before) || !bytes.Equal(buf, whole)):
		t.Errorf("%+v: changed something: %v", l, err)
	case !ok && err == nil && !l.spares(len(input), len(out)):
		t.Errorf("%+v: taken, and its input was written over", l)
	}
}

// spares says that no byte of the input lies where the output was written. Such
// an overlap with the rest of the capacity does no harm, and may be taken.
func (l lie) spares(n, end int) bool {
	return l.in >= min(end, l.capacity) || l.in+n <= l.out || end > l.capacity
}

func TestSealOverlap(t *testing.T) {
	profiles(t, func(t *testing.T, store kekcache.Store) {
		r := newRig(t, rigOptions{store: store})
		for _, random := range []bool{false, true} {
			r.random = random
			s, o := r.sealer(t, 4096), r.opener(t)
			b := envelope.Binding{Key: []byte("k")}
			for _, n := range []int{1, 24, 200, 4096, 4097, 9000} {
				want, most := payload(n), s.MaxSize(n)
				for l := range lies(n, most) {
					l.check(t, want, most, func(dst, in []byte) ([]byte, error) {
						return s.Seal(t.Context(), dst, in, b)
					}, func(out []byte) error { return opensTo(t, o, out, b, want) })
				}
			}
		}
	})
}

func opensTo(t *testing.T, o *envelope.Opener, e []byte, b envelope.Binding, want []byte) error {
	t.Helper()
	got, err := o.Open(t.Context(), nil, e, b)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%d bytes that are not the %d that were sealed", len(got), len(want))
	}
	return err
}

func TestOpenOverlap(t *testing.T) {
	profiles(t, func(t *testing.T, store kekcache.Store) {
		r := newRig(t, rigOptions{store: store})
		s, o := r.sealer(t, 4096), r.opener(t)
		b := envelope.Binding{Key: []byte("k")}
		for _, n := range []int{1, 200, 4096, 9000} {
			want := payload(n)
			e, err := s.Seal(t.Context(), nil, want, b)
			if err != nil {
				t.Fatal(err)
			}
			for l := range lies(len(e), len(e)) {
				l.check(t, e, len(e), func(dst, in []byte) ([]byte, error) {
					return o.Open(t.Context(), dst, in, b)
				}, func(out []byte) error {
					if !bytes.Equal(out, want) {
						return errors.New("another payload")
					}
					return nil
				})
			}
		}
	})
}

// TestOpenInPlaceRefuses: an envelope that is refused leaves no plaintext where
// it stood.
func TestOpenInPlaceRefuses(t *testing.T) {
	r := newRig(t, rigOptions{})
	plain := bytes.Repeat([]byte("secret payload "), 600)
	e, err := r.sealer(t, 4096).Seal(t.Context(), nil, plain, envelope.Binding{})
	if err != nil {
		t.Fatal(err)
	}
	_, all, _ := segments(t, e)
	last := bytes.Index(e, all[len(all)-1])
	e[last+30] ^= 1 // the chunks before it are good
	out, err := r.opener(t).Open(t.Context(), e[:0], e, envelope.Binding{})
	wantReason(t, err, "tampered")
	if len(out) != 0 || bytes.Contains(e, []byte("secret")) {
		t.Error("plaintext was left behind")
	}
}

func TestRewrapOverlap(t *testing.T) {
	r := newRig(t, rigOptions{})
	to := newX25519(t) // its recipients are longer
	rewrapper := newRewrapper(t, nil, []keys.Unwrapper{r.kek}, to)
	o := openerWith(t, nil, route, to)
	for _, n := range []int{1, 200, 9000} {
		want := payload(n)
		e, err := r.sealer(t, 4096).Seal(t.Context(), nil, want, envelope.Binding{})
		if err != nil {
			t.Fatal(err)
		}
		for l := range lies(len(e), len(e)+300) {
			l.check(t, e, len(e)+300, func(dst, in []byte) ([]byte, error) {
				return rewrapper.Rewrap(t.Context(), dst, in)
			}, func(out []byte) error { return opensTo(t, o, out, envelope.Binding{}, want) })
		}
	}
}
