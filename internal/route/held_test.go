package route

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// heldPlace is a place of a destination: its messages, in order.
type heldPlace struct {
	values [][]byte
	looked int
}

func (*heldPlace) Place() string                { return "sealed" }
func (p *heldPlace) Bounds() (first, end int64) { return 0, int64(len(p.values)) }

func (p *heldPlace) Peek(_ context.Context, offset int64) (m pipeline.Message, err error) {
	if offset >= int64(len(p.values)) {
		return m, io.EOF
	}
	p.looked++
	m.Value, m.Origin.Offset = p.values[offset], offset
	return m, nil
}

// TestHeld: of the messages of all places of a destination, those of one
// partition of the source count, the last of them does, and no more are looked
// at than the limit says.
func TestHeld(t *testing.T) {
	file, err := local.GenerateAES()
	must(t, err)
	key, err := local.ParseAES(file)
	must(t, err)
	sealer, err := envelope.NewSealer([]keys.Wrapper{key}, envelope.SealerOptions{})
	must(t, err)
	defer sealer.Close()
	worker := sealer.NewWorker()
	identity, other := endpoint.Identity("a source"), endpoint.Identity("another")
	sealed := func(of endpoint.Identity, partition uint16, offset uint64) []byte {
		e, err := worker.Seal(t.Context(), nil, nil, nil, &envelope.Position{
			Source: of.Short(), Partition: partition, Offset: offset, Distance: 1,
		})
		must(t, err)
		return e
	}
	many := make([][]byte, 40)
	for i := range many {
		many[i] = sealed(identity, 0, uint64(100+i))
	}
	ours := sealed(identity, 1, 7)
	for name, test := range map[string]struct {
		places [][][]byte
		want   int64
		err    error
	}{
		"none":                 {[][][]byte{nil}, -1, nil},
		"another partition":    {[][][]byte{{ours, sealed(identity, 2, 900)}}, 8, nil},
		"another source":       {[][][]byte{{ours, sealed(other, 1, 900)}}, 8, nil},
		"no envelope":          {[][][]byte{{ours, []byte("text"), nil}}, 8, nil},
		"not in order":         {[][][]byte{{ours, sealed(identity, 1, 3)}}, 8, nil},
		"two places":           {[][][]byte{{ours}, {sealed(identity, 1, 3)}}, 8, nil},
		"two places, one bare": {[][][]byte{{ours}, {sealed(other, 1, 9)}}, 8, nil},
		"far back":             {[][][]byte{append([][]byte{ours}, many[:30]...)}, 8, nil},
		"too far back":         {[][][]byte{append([][]byte{ours}, many...)}, 0, errNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			var places []*heldPlace
			var peekers []endpoint.Peeker
			for _, values := range test.places {
				places = append(places, &heldPlace{values: values})
				peekers = append(peekers, places[len(places)-1])
			}
			h := &held{
				in:    &endpoint.Source{Identity: identity, NumberPlace: func(string) (int32, bool) { return 1, true }},
				out:   &endpoint.Sink{OpenPeekers: func(context.Context, string) ([]endpoint.Peeker, error) { return peekers, nil }},
				find:  findSealed(false),
				limit: 33,
			}
			if got, err := h.findNext(t.Context(), "plain/1"); got != test.want || !errors.Is(err, test.err) {
				t.Errorf("%d, %v, want %d, %v", got, err, test.want, test.err)
			}
			for _, p := range places {
				if p.looked > len(p.values) || p.looked > 8+32 {
					t.Errorf("looked at %d of %d messages", p.looked, len(p.values))
				}
			}
		})
	}
}
