package format

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"slices"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// The bytes of a seq are
//
//	"SCXSEQ1\n"  then records of  length 4 || CRC-32C 4 || type 1 || body
//
// with big-endian numbers; length and CRC cover type and body. A record of type
// 0 is a message, one of type 1 an end record. The body of an end record has a
// null key and subject, no headers and the time 0; its value comes from
// Archive.SealEnd and covers all messages before it. A complete seq ends with
// an end record. Appending leaves earlier end records in place.

const (
	seqMagic = "SCXSEQ1\n"

	frameSize = 8

	typeMessage = 0
	typeEnd     = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// roll is the content of an end record: the number of messages, and the SHA-256
// over their tags.
type roll struct {
	count     uint64
	hash      hash.Hash
	tag       []byte
	appendTag func(dst []byte, m *pipeline.Message) ([]byte, error)
}

func newRoll(tag func([]byte, *pipeline.Message) ([]byte, error)) roll {
	return roll{hash: sha256.New(), appendTag: tag}
}

func (r *roll) addMessage(m *pipeline.Message) (err error) {
	if r.tag, err = r.appendTag(r.tag[:0], m); err != nil {
		return err
	}
	r.count++
	r.hash.Write(r.tag)
	return nil
}

// addUntagged counts a message whose tag could not be found. The digest then
// differs from the sealed one, as with a wrong tag.
func (r *roll) addUntagged() { r.count++ }

func (r *roll) digest() (d [sha256.Size]byte) {
	r.hash.Sum(d[:0])
	return d
}

func (r *roll) AppendState(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(slices.Grow(dst, 128), r.count)
	dst, err := r.hash.(encoding.BinaryAppender).AppendBinary(dst)
	if err != nil {
		panic("format: internal error: " + err.Error()) // crypto/sha256 has no such error
	}
	return dst
}

func (r *roll) Restore(state []byte) error {
	if len(state) < 8 {
		return fmt.Errorf("%w: state of a seq", ErrMalformed)
	}
	if err := r.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(state[8:]); err != nil {
		return fmt.Errorf("%w: state of a seq", ErrMalformed)
	}
	r.count = binary.BigEndian.Uint64(state)
	return nil
}

// seqEncoder writes a seq.
type seqEncoder struct {
	roll
	seal   func(ctx context.Context, dst []byte, count uint64, digest [32]byte) ([]byte, error)
	limits limits
	value  []byte
}

func newSeqEncoder(a Archive, l limits) *seqEncoder {
	return &seqEncoder{roll: newRoll(a.Tag), seal: a.SealEnd, limits: l}
}

func (*seqEncoder) Begin(dst []byte) []byte { return append(dst, seqMagic...) }

func (e *seqEncoder) Append(dst []byte, m *pipeline.Message) ([]byte, error) {
	if err := e.limits.checkRecord(m, len(m.Value)); err != nil {
		return dst, err
	}
	out, err := appendFrame(dst, typeMessage, m, e.limits.record)
	if err != nil {
		return dst, err
	}
	if err := e.addMessage(m); err != nil {
		return dst, err
	}
	return out, nil
}

func (e *seqEncoder) End(ctx context.Context, dst []byte) ([]byte, error) {
	value, err := e.seal(ctx, e.value[:0], e.count, e.digest())
	if err != nil {
		return dst, fmt.Errorf("end record: %w", err)
	}
	e.value = value
	return appendFrame(dst, typeEnd, endMessage(value), e.limits.record)
}

func appendFrame(dst []byte, kind byte, m *pipeline.Message, most int) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, frameSize)...)
	dst = appendBody(append(dst, kind), m)
	content := dst[start+frameSize:]
	if len(content) > most {
		return dst[:start], fmt.Errorf("%w: a record of more than %d bytes", ErrTooLarge, most)
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(content)))
	binary.BigEndian.PutUint32(dst[start+4:], crc32.Checksum(content, castagnoli))
	return dst, nil
}

// endMessage returns an end record as a message that holds nothing but the
// sealed value.
func endMessage(value []byte) *pipeline.Message {
	return &pipeline.Message{Time: time.UnixMilli(0), Value: value}
}
