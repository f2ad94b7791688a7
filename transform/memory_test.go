package transform_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// TestBound: Append stays within Bound for every size, which apply checks, and
// so does a tombstone's envelope.
func TestBound(t *testing.T) {
	profiles(t, func(t *testing.T, r rig) {
		rnd := rand.New(rand.NewPCG(1, 2))
		small, large := r.encrypt(t), r.encrypt(t, func(o *transform.EncryptOptions) { o.Sealer = r.newSealer(t, 1<<16) })
		d := r.decrypt(t)
		check := func(e *transform.Encrypt, value []byte) {
			t.Helper()
			m := pipeline.Message{Value: value}
			sealed := must(t, e, m)
			if value == nil && len(sealed.Headers[0].Value) > e.Bound(&m) {
				t.Errorf("tombstone of %d bytes, Bound %d", len(sealed.Headers[0].Value), e.Bound(&m))
			}
			must(t, d, sealed)
		}
		for _, e := range []*transform.Encrypt{small, large} {
			check(e, nil)
			for n := range 300 {
				check(e, payload(n))
			}
			for range 60 {
				n := rnd.IntN(6)*4096 + rnd.IntN(5) - 2
				check(e, payload(max(n, 0)))
			}
			check(e, payload(1<<20+17))
		}
	})
}

// flush is many messages with all that the transform makes for them.
func flush(n int) []pipeline.Message {
	msgs := make([]pipeline.Message, n)
	for i := range msgs {
		m := &msgs[i]
		m.Key = fmt.Appendf(nil, "key-%d", i)
		m.Subject = fmt.Appendf(nil, "orders.%d", i)
		m.Headers = []pipeline.Header{{Name: "tenant", Value: fmt.Append(nil, i%7)}, {Name: "n", Value: fmt.Append(nil, i)}}
		if i%3 > 0 {
			m.Value = payload(i % 500)
		}
	}
	return msgs
}

// TestFlush: all messages of a flush are valid until Reset, however the memory
// behind them grew.
func TestFlush(t *testing.T) {
	r := newRig(t, nil)
	toEnc := func(dst, s []byte) ([]byte, error) { return append(append(dst, "enc."...), s...), nil }
	toDec := func(dst, s []byte) ([]byte, error) { return append(dst, bytes.TrimPrefix(s, []byte("enc."))...), nil }
	e := r.encrypt(t, r.bindOnSeal(t, "tenant"), func(o *transform.EncryptOptions) { o.Subject = toEnc })
	d := r.decrypt(t, r.bindOnOpen(t, "tenant"), func(o *transform.DecryptOptions) { o.Subject = toDec })
	for round, n := range []int{50, 3000, 1000, 4000} {
		in := flush(n)
		var sealed, opened []pipeline.Message
		for _, m := range in {
			sealed = append(sealed, must(t, e, m))
		}
		for _, m := range sealed {
			opened = append(opened, must(t, d, m))
		}
		for i := range in {
			if !sameMessage(&opened[i], &in[i]) {
				t.Fatalf("round %d, message %d: %+v", round, i, opened[i])
			}
			if want := fmt.Sprintf("enc.orders.%d", i); string(sealed[i].Subject) != want {
				t.Fatalf("round %d, message %d was published under %q", round, i, sealed[i].Subject)
			}
		}
		e.Reset()
		d.Reset()
	}
}

// TestReset: a flush after Reset lies where the one before it lay.
func TestReset(t *testing.T) {
	r := newRig(t, nil)
	subject := func(dst, s []byte) ([]byte, error) { return append(dst, s...), nil }
	e := r.encrypt(t, func(o *transform.EncryptOptions) { o.Subject = subject })
	d := r.decrypt(t, func(o *transform.DecryptOptions) { o.Subject = subject })
	m := pipeline.Message{Subject: []byte("s"), Headers: []pipeline.Header{{Name: "h"}}}
	var was, is [2]pipeline.Message
	for range 2 { // memory has its size after the first time
		e.Reset()
		d.Reset()
		was[0] = must(t, e, m)
		was[1] = must(t, d, was[0])
	}
	e.Reset()
	d.Reset()
	is[0] = must(t, e, m)
	is[1] = must(t, d, is[0])
	for i := range is {
		if &was[i].Subject[0] != &is[i].Subject[0] || &was[i].Headers[0] != &is[i].Headers[0] {
			t.Errorf("transform %d: new memory after Reset", i)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	profiles(t, func(t *testing.T, r rig) {
		headers := []pipeline.Header{{Name: "tenant", Value: []byte("a")}, {Name: "n", Value: []byte("1")}, {Name: "tenant"}}
		ids := func(string) transform.Place { return transform.Place{Source: [5]byte{1}, Ordered: true} }
		subject := func(dst, s []byte) ([]byte, error) { return append(append(dst, "to."...), s...), nil }
		onSeal := func(bind []string) func(*transform.EncryptOptions) {
			if bind == nil {
				return func(*transform.EncryptOptions) {}
			}
			return r.bindOnSeal(t, bind...)
		}
		onOpen := func(bind []string) func(*transform.DecryptOptions) {
			if bind == nil {
				return func(*transform.DecryptOptions) {}
			}
			return r.bindOnOpen(t, bind...)
		}
		for _, bind := range [][]string{nil, {"tenant", "absent"}} { // nil: all
			for _, value := range [][]byte{nil, {}, payload(1024), payload(10_000)} {
				e := r.encrypt(t, onSeal(bind), func(o *transform.EncryptOptions) { o.Place, o.Subject = ids, subject })
				d := r.decrypt(t, onOpen(bind), func(o *transform.DecryptOptions) { o.Subject = subject })
				in := pipeline.Message{
					Key: []byte("k"), Value: value, Headers: headers, Subject: []byte("s"),
					Origin: pipeline.Origin{Place: "orders/3", Offset: 9, Previous: 8},
				}
				sealed := must(t, r.encrypt(t, onSeal(bind)), in)
				buf := make([]byte, 0, e.Bound(&in))
				for name, c := range map[string]struct {
					by pipeline.Transform
					in *pipeline.Message
				}{"encrypt": {e, &in}, "decrypt": {d, &sealed}} {
					var m pipeline.Message
					allocs := testing.AllocsPerRun(20, func() {
						c.by.Reset()
						for range 50 {
							m = *c.in
							if _, err := c.by.Append(t.Context(), buf, &m); err != nil {
								t.Fatal(err)
							}
						}
					})
					if allocs != 0 {
						t.Errorf("%s, %d bytes (null: %v), %d bound: %v allocations in 50 messages", name, len(value), value == nil, len(bind), allocs)
					}
				}
			}
		}
	})
}
