package batch

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// HeaderSize is the size of a batch without records, in bytes.
const HeaderSize = 61

// Where the fields of the header are.
const (
	atLength        = 8
	atLeaderEpoch   = 12
	atMagic         = 16
	atChecksum      = 17
	atAttributes    = 21
	atLastDelta     = 23
	atBaseTime      = 27
	atMaxTime       = 35
	atProducerID    = 43
	atProducerEpoch = 51
	atSequence      = 53
	atCount         = 57

	lengthFrom = atLeaderEpoch // the length counts from here
)

const (
	maskCompression   = 0x07
	flagAppendTime    = 0x08
	flagTransactional = 0x10
	flagControl       = 0x20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Marker is the meaning of a control batch.
type Marker int8

// The kinds of batch.
const (
	Data   Marker = iota // no control batch: records
	Abort                // the producer's transaction was aborted
	Commit               // the producer's transaction was committed
	Other                // a control batch that concerns brokers only
)

// Info is the header of a batch.
type Info struct {
	// BaseOffset and LastOffset are the span of the batch. Compaction removes
	// records and leaves the span.
	BaseOffset, LastOffset int64
	LeaderEpoch            int32
	// Size is the whole batch as it is stored, in bytes.
	Size int
	// Count is the number of records, control records included; it may be 0.
	Count         int
	Compression   Compression
	Transactional bool
	Marker        Marker
	// AppendTime says that every record has the time at which the broker
	// appended the batch, MaxTime.
	AppendTime bool
	// BaseTime and MaxTime are in milliseconds since 1970; -1 is none.
	BaseTime, MaxTime int64
	// ProducerID, ProducerEpoch and Sequence are -1 if the producer was not
	// idempotent.
	ProducerID    int64
	ProducerEpoch int16
	Sequence      int32
}

// parseBatch reads the batch at the start of set, which may hold more. A batch
// that is cut short is (nil, nil): a fetch ends anywhere. The checksum is
// checked here, once for everything.
func (h *Info) parseBatch(set []byte) (records []byte, err error) {
	if len(set) < atMagic+1 {
		return nil, nil
	}
	h.BaseOffset, h.LastOffset, h.Size = int64(binary.BigEndian.Uint64(set)), -1, 0
	if magic := int8(set[atMagic]); magic < 2 {
		return nil, ErrFormat
	} else if magic > 2 {
		return nil, malformed("magic %d", magic)
	}
	length := int32(binary.BigEndian.Uint32(set[atLength:]))
	if length < HeaderSize-lengthFrom {
		return nil, malformed("length %d", length)
	}
	h.Size = lengthFrom + int(length)
	if len(set) < h.Size {
		return nil, nil
	}
	b := set[:h.Size]
	if crc32.Checksum(b[atAttributes:], castagnoli) != binary.BigEndian.Uint32(b[atChecksum:]) {
		return nil, ErrChecksum
	}
	return b[HeaderSize:], h.parseFields(b)
}

func (h *Info) parseFields(b []byte) error {
	lastDelta := int32(binary.BigEndian.Uint32(b[atLastDelta:]))
	count := int32(binary.BigEndian.Uint32(b[atCount:]))
	switch {
	case h.BaseOffset < 0 || lastDelta < 0 || h.BaseOffset > math.MaxInt64-1-int64(lastDelta):
		return malformed("offsets %d and %d more", h.BaseOffset, lastDelta)
	case count < 0 || int64(count) > int64(lastDelta)+1:
		return malformed("%d records in %d offsets", count, int64(lastDelta)+1)
	}
	h.LastOffset = h.BaseOffset + int64(lastDelta)
	attributes := binary.BigEndian.Uint16(b[atAttributes:])
	h.Compression = Compression(attributes & maskCompression)
	if !h.Compression.valid() {
		return unknownCodec(h.Compression)
	}
	h.Count = int(count)
	h.LeaderEpoch = int32(binary.BigEndian.Uint32(b[atLeaderEpoch:]))
	h.AppendTime = attributes&flagAppendTime != 0
	h.Transactional = attributes&flagTransactional != 0
	h.BaseTime = int64(binary.BigEndian.Uint64(b[atBaseTime:]))
	h.MaxTime = int64(binary.BigEndian.Uint64(b[atMaxTime:]))
	h.ProducerID = int64(binary.BigEndian.Uint64(b[atProducerID:]))
	h.ProducerEpoch = int16(binary.BigEndian.Uint16(b[atProducerEpoch:]))
	h.Sequence = int32(binary.BigEndian.Uint32(b[atSequence:]))
	h.Marker = Data
	if attributes&flagControl == 0 {
		return nil
	}
	return h.parseMarker(b[HeaderSize:])
}
