package envelope

import (
	"context"
	"errors"
	"math"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// maxBlock is the most payload of one block, in bytes, unless a single chunk is
// larger. Blocks of this size lie in a processor's cache.
const maxBlock = 512 << 10

// blockChunks is how many chunks a block has.
func blockChunks(chunkSize int) int { return max(1, maxBlock/chunkSize) }

var errCodedBlocks = errors.New("envelope: a coded payload is sealed in one piece after the other")

// SealBlocks is a payload of more than one chunk, in the form that Writer
// writes. Several goroutines seal its blocks at the same time. The caller
// writes Head, and then the blocks in their order. End must be called.
type SealBlocks struct {
	long   longPayload
	binder binder
	size   int // of a chunk
	head   []byte
}

// CanSealBlocks tells whether BeginBlocks is possible: payloads are neither
// compressed nor padded.
func (s *Sealer) CanSealBlocks() bool { return !s.options.Coding.IsSet() }

// BlockSize is the payload of every block of BeginBlocks but the last one, in
// bytes.
func (s *Sealer) BlockSize() int {
	return blockChunks(s.options.ChunkSize) * s.options.ChunkSize
}

// MaxSealedBlock is the most bytes that Seal of a SealBlocksWorker appends for
// one block.
func (s *Sealer) MaxSealedBlock() int {
	return blockChunks(s.options.ChunkSize)*segmentRoom(s.options.ChunkSize) + 1
}

// BeginBlocks begins a payload that is longer than one block. It waits while no
// data key can be had, until ctx ends.
func (s *Sealer) BeginBlocks(ctx context.Context, b Binding) (*SealBlocks, error) {
	if !s.CanSealBlocks() {
		return nil, errCodedBlocks
	}
	out := &SealBlocks{binder: newBinder(s.options.Bind), size: s.options.ChunkSize}
	b = copyBinding(b)
	var err error
	if out.head, err = out.long.beginSealing(ctx, s, nil, &out.binder, &b, false); err != nil {
		out.End()
		return nil, err
	}
	return out, nil
}

// Head is all that stands in front of the first block.
func (s *SealBlocks) Head() []byte { return s.head }

// End ends the use of the data key, after all workers have ended.
func (s *SealBlocks) End() { s.long.releaseKey() }

// NewWorker returns a worker with a lease of its own, so that no two workers
// use one nonce.
func (s *SealBlocks) NewWorker() (*SealBlocksWorker, error) {
	sealer, err := s.long.grant.NewSealer()
	if err != nil {
		return nil, err
	}
	return &SealBlocksWorker{blocks: s, sealer: sealer, aad: s.long.aad.Clone()}, nil
}

// SealBlocksWorker seals blocks. It is for one goroutine.
type SealBlocksWorker struct {
	blocks *SealBlocks
	sealer *chunker.Sealer
	aad    *cms.AAD
}

// Seal appends the sealed form of block number n, which counts from 0, to dst.
// All blocks but the final one are of BlockSize bytes, and the final one has at
// least one byte. A block must be sealed once: sealed twice with other bytes it
// would be two payloads with one name.
func (w *SealBlocksWorker) Seal(dst, plain []byte, n int64, final bool) ([]byte, error) {
	size := w.blocks.size
	perBlock := blockChunks(size)
	first := n * int64(perBlock)
	switch {
	case len(plain) == 0, len(plain) > perBlock*size, !final && len(plain) < perBlock*size:
		return dst, errors.New("envelope: a block of a wrong size")
	case first+int64(perBlock) > math.MaxUint32>>1, first*int64(size)+int64(len(plain)) > maxStreamBytes:
		return dst, &Error{Reason: ReasonTooLarge, Err: errTooLong}
	}
	out := dst
	for index := uint32(first); len(plain) > 0; index++ {
		chunk := plain[:min(size, len(plain))]
		plain = plain[len(chunk):]
		aad := w.aad.Bytes(w.blocks.long.bound, index, final && len(plain) == 0)
		var err error
		if out, err = appendSegment(out, chunk, w.sealer, aad); err != nil {
			return dst, err
		}
	}
	if final {
		out = cms.AppendBreak(out)
	}
	return out, nil
}
