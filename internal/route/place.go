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

func partitionIdentity(cluster string, topic [16]byte, partition int32) (identity, error) {
	return encodeIdentity("kafka", cluster, topic[:], partition)
}

// topicIdentity stands for a topic as a whole. No position names one.
func topicIdentity(cluster string, topic [16]byte) (identity, error) {
	return encodeIdentity("kafka", cluster, topic[:])
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
	return func(_ string, state []byte) (pipeline.Gate, error) { return transform.NewGate(state, ordered, stats) }
}
