package endpoint

import (
	"context"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Archive has the functions that a file of envelopes needs of the package that
// can open them (docs/envelope.md, section 9). A sink needs Tag and SealEnd, a
// source Tag and OpenEnd or KeepEnd.
type Archive struct {
	// Tag appends the tag of m's envelope to dst. It keeps nothing of m.
	Tag func(dst []byte, m *pipeline.Message) ([]byte, error)
	// SealEnd appends to dst the sealed record of how many messages there are,
	// and of the digest over their tags.
	SealEnd func(ctx context.Context, dst []byte, count uint64, digest [32]byte) ([]byte, error)
	// OpenEnd opens a record that SealEnd has made. Its error is reported as it
	// is.
	OpenEnd func(ctx context.Context, record []byte) (count uint64, digest [32]byte, err error)
	// KeepEnd, where there is no OpenEnd, is told of each end record that was
	// read, unchecked, and of how many messages with which digest stand before
	// it. It keeps nothing of record.
	KeepEnd func(record []byte, count uint64, digest [32]byte)
}
