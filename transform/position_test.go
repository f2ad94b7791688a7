package transform_test

import (
	"math"
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// TestPosition: what an envelope says of where its message was stored, and that Decrypt hands it to the Gate.
func TestPosition(t *testing.T) {
	id := [7]byte{1, 2, 3, 4, 5, 6, 7}
	tests := []struct {
		name             string
		place            transform.Place
		offset, previous int64
		want             envelope.Position
	}{
		{"next one", transform.Place{ID: id, Ordered: true}, 8812, 8811, envelope.Position{Place: id, Offset: 8812, Distance: 1}},
		{"first one", transform.Place{ID: id, Ordered: true}, 0, -1, envelope.Position{Place: id, Distance: unknown}},
		{"previous unknown", transform.Place{ID: id, Ordered: true}, 5, -1, envelope.Position{Place: id, Offset: 5, Distance: unknown}},
		{"second one", transform.Place{ID: id, Ordered: true}, 1, 0, envelope.Position{Place: id, Offset: 1, Distance: 1}},
		{"gap", transform.Place{ID: id, Ordered: true}, 100, 40, envelope.Position{Place: id, Offset: 100, Distance: 60}},
		{"largest that fits", transform.Place{ID: id, Ordered: true}, 10 + 1<<32 - 2, 10, envelope.Position{Place: id, Offset: 10 + 1<<32 - 2, Distance: 1<<32 - 2}},
		{"too large by one", transform.Place{ID: id, Ordered: true}, 10 + 1<<32 - 1, 10, envelope.Position{Place: id, Offset: 10 + 1<<32 - 1, Distance: unknown}},
		{"as if none", transform.Place{ID: id, Ordered: true}, 10 + 1<<32, 10, envelope.Position{Place: id, Offset: 10 + 1<<32, Distance: unknown}},
		{"as if one", transform.Place{ID: id, Ordered: true}, 11 + 1<<32, 10, envelope.Position{Place: id, Offset: 11 + 1<<32, Distance: unknown}},
		{"largest", transform.Place{ID: id, Ordered: true}, math.MaxInt64, 0, envelope.Position{Place: id, Offset: math.MaxInt64, Distance: unknown}},
		{"twice the same", transform.Place{ID: id, Ordered: true}, 7, 7, envelope.Position{Place: id, Offset: 7, Distance: unknown}},
		{"going back", transform.Place{ID: id, Ordered: true}, 7, 9, envelope.Position{Place: id, Offset: 7, Distance: unknown}},
		{"no order", transform.Place{ID: id}, 8812, 8811, envelope.Position{Place: id, Offset: 8812}},
		{"no order, previous unknown", transform.Place{ID: id}, 8812, -1, envelope.Position{Place: id, Offset: 8812}},
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
				if got.Created = 0; got != test.want || created == 0 {
					t.Errorf("position %+v, created %d; want %+v", got, created, test.want)
				}
				sealed.Mark[23] = 1 // of whoever had the memory before
				mark := must(t, d, sealed).Mark
				want := marked(test.want.Place, test.want.Offset, test.want.Distance).Mark
				want[19], want[20], want[21], want[22] = byte(created>>24), byte(created>>16), byte(created>>8), byte(created)
				if mark != want {
					t.Errorf("mark %x, want %x", mark, want)
				}
			}
		})
	}
}

// TestPlaces: every place gets its own id, also when they take turns, and whatever it is called.
func TestPlaces(t *testing.T) {
	r := newRig(t, nil)
	var asked int
	e := r.encrypt(t, func(o *transform.EncryptOptions) {
		o.Place = func(place string) transform.Place { asked++; return transform.Place{ID: [7]byte{1, byte(len(place))}} }
	})
	d := r.decrypt(t)
	for _, place := range []string{"", "", "a", "a", "bb", "a", ""} {
		m := must(t, d, must(t, e, pipeline.Message{Value: []byte("v"), Origin: pipeline.Origin{Place: place, Offset: 5}}))
		if want := marked([7]byte{1, byte(len(place))}, 5, 0).Mark; string(m.Mark[:19]) != string(want[:19]) {
			t.Errorf("%q: mark %x", place, m.Mark)
		}
	}
	if asked != 5 {
		t.Errorf("asked %d times for 4 changes of place", asked)
	}
	m := must(t, d, must(t, r.encrypt(t), pipeline.Message{Value: []byte("v"), Origin: pipeline.Origin{Place: "a", Offset: 5}}))
	if string(m.Mark[:19]) != string(make([]byte, 19)) {
		t.Errorf("without Place: mark %x", m.Mark)
	}
}

// TestRejectLeavesNoMark: a Gate must not take what a message said that was not verified.
func TestRejectLeavesNoMark(t *testing.T) {
	r := newRig(t, nil)
	e := r.encrypt(t, func(o *transform.EncryptOptions) {
		o.Place = func(string) transform.Place { return transform.Place{ID: [7]byte{1}} }
	})
	m := must(t, e, pipeline.Message{Value: []byte("v")})
	m.Key = []byte("moved")
	m.Mark[0] = 9
	if got, err := apply(t, r.decrypt(t), m); err == nil || got.Mark != [24]byte{} {
		t.Errorf("mark %x, %v", got.Mark, err)
	}
}
