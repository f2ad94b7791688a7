package route

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/fxamacker/cbor/v2"

	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// identity says what a source is, whatever becomes of its name: the array of docs/envelope.md, section 3, in deterministic
// CBOR.
type identity []byte

func streamIdentity(name string, createdUnixNano int64) (identity, error) {
	return encodeIdentity("nats", name, createdUnixNano)
}

func fileIdentity(id [16]byte) (identity, error) { return encodeIdentity("file", id[:]) }

func encodeIdentity(parts ...any) (identity, error) {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	return mode.Marshal(parts)
}

// place is how positions name the source.
func (id identity) place(ordered bool) transform.Place {
	sum := sha256.Sum256(id)
	return transform.Place{ID: [7]byte(sum[:]), Ordered: ordered}
}

// String is short, printable, and different for different sources.
func (id identity) String() string {
	place := id.place(false).ID
	return hex.EncodeToString(place[:])
}

// newGates returns what makes the Gates of a route whose source gives messages in the order of its offsets, or does not.
func newGates(ordered bool, stats *transform.GateStats) func(string, []byte) (pipeline.Gate, error) {
	return func(_ string, state []byte) (pipeline.Gate, error) {
		gate, err := transform.NewGate(state, stats)
		if err != nil {
			return nil, err
		}
		if ordered {
			return gate, nil
		}
		return unordered{gate}, nil
	}
}

// unordered is a Gate behind a source that gives a message again after later ones, as a stream does when a consumer has
// failed. Envelopes may say that their messages were sealed in order; "not beyond the highest" would then drop what comes
// again and was never written. So the distance is hidden from the Gate, which remembers each offset instead.
type unordered struct{ pipeline.Gate }

func (g unordered) Admit(m *pipeline.Message) error {
	clear(m.Mark[15:19])
	return g.Gate.Admit(m)
}
