package transform_test

import (
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// TestPosition: what an envelope says of where its message was stored, and that
// Decrypt hands it to the Gate.
func TestPosition(t *testing.T) {
	id := [5]byte{1, 2, 3, 4, 5}
	tests := []struct {
		name             string
		place            transform.Place
		offset, previous int64
		want             envelope.Position
	}{
		{"next one", transform.Place{Source: id, Ordered: true}, 8812, 8811, envelope.Position{Source: id, Offset: 8812, Distance: 1}},
		{"first one", transform.Place{Source: id, Ordered: true}, 0, -1, envelope.Position{Source: id, Distance: unknown}},
		{"previous unknown", transform.Place{Source: id, Ordered: true}, 5, -1, envelope.Position{Source: id, Offset: 5, Distance: unknown}},
		{"second one", transform.Place{Source: id, Ordered: true}, 1, 0, envelope.Position{Source: id, Offset: 1, Distance: 1}},
		{"gap", transform.Place{Source: id, Ordered: true}, 100, 40, envelope.Position{Source: id, Offset: 100, Distance: 60}},
		{"largest that fits", transform.Place{Source: id, Ordered: true}, 10 + 1<<24 - 2, 10, envelope.Position{Source: id, Offset: 10 + 1<<24 - 2, Distance: 1<<24 - 2}},
		{"too large by one", transform.Place{Source: id, Ordered: true}, 10 + 1<<24 - 1, 10, envelope.Position{Source: id, Offset: 10 + 1<<24 - 1, Distance: unknown}},
		{"as if none", transform.Place{Source: id, Ordered: true}, 10 + 1<<24, 10, envelope.Position{Source: id, Offset: 10 + 1<<24, Distance: unknown}},
		{"as if one", transform.Place{Source: id, Ordered: true}, 11 + 1<<24, 10, envelope.Position{Source: id, Offset: 11 + 1<<24, Distance: unknown}},
		{"largest", transform.Place{Source: id, Ordered: true}, 1<<48 - 1, 0, envelope.Position{Source: id, Offset: 1<<48 - 1, Distance: unknown}},
		{"too large an offset", transform.Place{Source: id, Ordered: true}, 1 << 48, 0, envelope.Position{}},
		{"everything", transform.Place{Source: id, Partition: 7, Ordered: true, Rising: true, SamePartition: true}, 5, 4,
			envelope.Position{Source: id, Partition: 7, Offset: 5, Distance: 1, Rising: true, SamePartition: true}},
		{"twice the same", transform.Place{Source: id, Ordered: true}, 7, 7, envelope.Position{Source: id, Offset: 7, Distance: unknown}},
		{"going back", transform.Place{Source: id, Ordered: true}, 7, 9, envelope.Position{Source: id, Offset: 7, Distance: unknown}},
		{"no order", transform.Place{Source: id}, 8812, 8811, envelope.Position{Source: id, Offset: 8812}},
		{"no order, previous unknown", transform.Place{Source: id}, 8812, -1, envelope.Position{Source: id, Offset: 8812}},
		{"no source", transform.Place{Ordered: true}, 8812, 8811, envelope.Position{}},
	}
	r := newRig(t, nil)
	opener := r.opener.NewWorker()
	d := r.decrypt(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := r.encrypt(t, func(o *transform.EncryptOptions) { o.Place = func(string) transform.Place { return test.place } })
			for _, value := range [][]byte{[]byte("v"), payload(5000), nil} {
				sealed := must(t, e, pipeline.Message{
					Value: value, Origin: pipeline.Origin{Place: "orders/3", Offset: test.offset, Previous: test.previous},
				})
				b, bytes := envelope.Binding{}, sealed.Value
				if value == nil {
					b.Kind, bytes = envelope.Tombstone, sealed.Headers[0].Value
				}
				_, got, err := opener.Open(t.Context(), nil, bytes, &b)
				if err != nil {
					t.Fatal(err)
				}
				created := got.Created
				if got.Created = 0; got.Position != test.want || created == 0 || !got.Vouched {
					t.Errorf("%+v, created %d; want %+v", got, created, test.want)
				}
				sealed.Mark[31] = 1 // of the one who had the memory before
				p := test.want
				want := marked(at{
					source: p.Source[0], partition: p.Partition, term: p.Term, offset: p.Offset, distance: p.Distance,
					rising: p.Rising, moved: !p.SamePartition,
				}).Mark
				copy(want[1:], p.Source[:])
				if mark := must(t, d, sealed).Mark; mark != want {
					t.Errorf("mark %x, want %x", mark, want)
				}
			}
		})
	}
}

// TestPlaces: every place gets its own id, also when they take turns, and
// whatever it is called.
func TestPlaces(t *testing.T) {
	r := newRig(t, nil)
	var asked int
	e := r.encrypt(t, func(o *transform.EncryptOptions) {
		o.Place = func(place string) transform.Place {
			asked++
			return transform.Place{Source: [5]byte{1}, Partition: uint16(len(place))}
		}
	})
	d := r.decrypt(t)
	for _, place := range []string{"", "", "a", "a", "bb", "a", ""} {
		m := must(t, d, must(t, e, pipeline.Message{Value: []byte("v"), Origin: pipeline.Origin{Place: place, Offset: 5}}))
		if want := marked(at{source: 1, partition: uint16(len(place)), offset: 5, moved: true}).Mark; m.Mark != want {
			t.Errorf("%q: mark %x", place, m.Mark)
		}
	}
	if asked != 5 {
		t.Errorf("asked %d times for 4 changes of place", asked)
	}
	m := must(t, d, must(t, r.encrypt(t), pipeline.Message{Value: []byte("v"), Origin: pipeline.Origin{Place: "a", Offset: 5}}))
	if m.Mark != marked(at{moved: true}).Mark {
		t.Errorf("without Place: mark %x", m.Mark)
	}
}

// TestRejectLeavesNoMark: a Gate must not take what a message said that was not
// verified.
func TestRejectLeavesNoMark(t *testing.T) {
	r := newRig(t, nil)
	e := r.encrypt(t, func(o *transform.EncryptOptions) {
		o.Place = func(string) transform.Place { return transform.Place{Source: [5]byte{1}} }
	})
	m := must(t, e, pipeline.Message{Value: []byte("v")})
	m.Key = []byte("moved")
	m.Mark[0] = 9
	if got, err := apply(t, r.decrypt(t), m); err == nil || got.Mark != [32]byte{} {
		t.Errorf("mark %x, %v", got.Mark, err)
	}
}

// TestTerms: the term of a message is that of its origin, and one that no
// position can hold leaves it without a place.
func TestTerms(t *testing.T) {
	r := newRig(t, nil)
	e := r.encrypt(t, func(o *transform.EncryptOptions) {
		o.Place = func(string) transform.Place { return transform.Place{Source: [5]byte{1}} }
	})
	for term, want := range map[uint64]byte{0: 1, 7: 1, envelope.MaxTerm: 1, envelope.MaxTerm + 1: 0, pipeline.UnknownTerm: 0} {
		m := must(t, r.decrypt(t), must(t, e, pipeline.Message{Value: []byte("v"), Origin: pipeline.Origin{Term: term, Offset: 3}}))
		expect := at{source: want, moved: true}
		if want == 1 {
			expect.term, expect.offset = term, 3
		}
		if m.Mark != marked(expect).Mark {
			t.Errorf("term %d: mark %x", term, m.Mark)
		}
	}
}
