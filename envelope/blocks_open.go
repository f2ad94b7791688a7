package envelope

import (
	"cmp"
	"io"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// SealedBlock is a part of an envelope that has been read and not yet opened:
// whole segments that follow each other. Its memory is used again by the next
// NextBlock.
type SealedBlock struct {
	segments []byte
	first    uint32 // index of its first chunk
	final    bool   // its last segment is the envelope's
	memory   []byte
}

// BeginBlocks opens the envelope and its first segment, and tells whether the
// rest can be read with NextBlock. Then it returns the payload of the first
// segment, which has verified, and neither Read nor WriteTo may be called any
// more. Otherwise they go on as if it had not been called: the envelope is
// short, or its payload coded.
func (r *Reader) BeginBlocks() (payload []byte, ok bool, err error) {
	if err := r.begin(); err != nil && err != io.EOF {
		return nil, false, err
	}
	if r.decoder != nil || r.final || r.chunks.key == nil {
		return nil, false, nil
	}
	payload, r.ready = r.ready, nil
	return payload, true, nil
}

// NextBlock reads up to about 512 KiB of segments into b, and opens none of
// them. It returns io.EOF behind the final one: the payload is whole if all
// blocks up to there have verified.
func (r *Reader) NextBlock(b *SealedBlock) error {
	switch {
	case r.err != nil:
		return r.err
	case r.final:
		r.err = io.EOF
		return r.err
	}
	if err := r.ctx.Err(); err != nil {
		return err
	}
	size := r.chunks.header.ChunkSize
	most := blockChunks(size)
	bytes, broken := r.in.peek(most*segmentRoom(size) + behindSegment)
	if broken != nil { // the segments before that are whole
		bytes = r.in.unread()
	}
	b.first = r.chunks.index
	taken := 0
	for range most {
		n, err := r.takeSealed(bytes[taken:])
		if err != nil {
			r.err = cmp.Or(broken, err)
			break
		}
		if r.final && broken != nil { // nobody knows whether something stands behind the envelope
			r.err, r.final = broken, false
			break
		}
		if taken += n; r.final {
			break
		}
	}
	if taken == 0 {
		return r.err
	}
	b.final = r.final
	b.segments, b.memory = r.in.takeFront(taken, b.memory)
	return nil
}

// takeSealed judges the segment that bytes begin with by all but its tag, and
// says how long it is.
func (r *Reader) takeSealed(bytes []byte) (int, error) {
	c := &r.chunks
	p, err := parseSegment(bytes, c.header.ChunkSize, c.index)
	if err != nil {
		return 0, err
	}
	if err := r.checkEnd(&p); err != nil {
		return 0, err
	}
	c.bytes += int64(len(p.b) - p.head - chunker.Overhead)
	if limit := r.o.o.MaxPayload; limit > 0 && c.bytes > limit {
		return 0, errTooLarge(limit)
	}
	r.at += int64(len(p.b))
	c.index++
	r.final = p.final
	return len(p.b), nil
}

// NewBlockOpener returns a worker for the blocks of r. It is for one goroutine,
// and r may read further blocks meanwhile.
func (r *Reader) NewBlockOpener() *BlockOpener {
	return &BlockOpener{chunks: &r.chunks, size: r.chunks.header.ChunkSize, aad: r.worker.aad.Clone()}
}

// BlockOpener opens blocks.
type BlockOpener struct {
	chunks *chunks // only its fixed fields
	size   int     // of a chunk
	aad    *cms.AAD
}

// MaxSize is the most payload of a block, in bytes.
func (o *BlockOpener) MaxSize() int { return blockChunks(o.size) * o.size }

// Open appends the payload of a block to dst. On an error it returns the
// payload of the segments before the one that was refused: they have verified.
func (o *BlockOpener) Open(dst []byte, b *SealedBlock) ([]byte, error) {
	rest := b.segments
	for index := b.first; len(rest) > 0; index++ {
		size, head, _, err := cms.SegmentHead(rest, o.size)
		if err != nil {
			return dst, refuse(err)
		}
		segment := rest[head : head+size]
		rest = rest[head+size:]
		iv, ciphertext := segment[:chunker.IVSize], segment[chunker.IVSize:]
		aad := o.aad.Bytes(o.chunks.bound, index, b.final && len(rest) == 0)
		if dst, err = o.chunks.key.Open(dst, iv, ciphertext, aad); err != nil {
			return dst, refuse(tamperedError(index, true))
		}
	}
	return dst, nil
}
