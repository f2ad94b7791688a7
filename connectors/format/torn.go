package format

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// CheckLastLine judges the last line of a file of lines, which has no line
// feed, before lines are appended. It returns true for a message that merely
// lacks its line feed, and false for the rest of a torn write, which can be
// cut. Any other line was not written by this package: that is an error.
func (l *Layout) CheckLastLine(line []byte) (whole bool, err error) {
	if l.format == Lines {
		return false, fmt.Errorf("%w: the last line has no line feed, and may have been cut off", ErrTruncated)
	}
	p := lineParser{b: bytes.Clone(line), batch: new(Batch), max: l.limits.headers}
	switch {
	case p.parseMessage(new(pipeline.Message)) == nil:
		return true, nil
	case !isLineRest(line):
		return false, fmt.Errorf("%w: the last line is no message, and not cut off either", ErrMalformed)
	}
	return false, nil
}

// isLineRest tells whether a line may be the rest of one whose write was torn:
// it begins as a line, or with zeros that were never replaced, and is not
// complete.
func isLineRest(line []byte) bool {
	return (line[0] == '{' || line[0] == 0) && !json.Valid(line)
}

// IsTorn tells whether an error of a seq's Decoder may come from a last write
// that reached the disk in part. The rest can then be cut, unless
// ContainsRecord finds a record in it.
func IsTorn(err error) bool {
	return errors.Is(err, ErrTruncated) || errors.Is(err, errEmpty) || errors.Is(err, errChecksum)
}

// ContainsRecord tells whether a complete record of a seq begins anywhere in b
// but at its start.
func ContainsRecord(b []byte) bool {
	for i := 1; len(b)-i > frameSize; i++ {
		length := binary.BigEndian.Uint32(b[i:])
		content := b[i+frameSize:]
		if length < 1 || uint64(length) > uint64(len(content)) || !beginsAs(content) {
			continue
		}
		if crc32.Checksum(content[:length], castagnoli) == binary.BigEndian.Uint32(b[i+4:]) {
			return true
		}
	}
	return false
}

// beginsAs tells whether type and first byte of a record fit.
func beginsAs(content []byte) bool {
	const envelopes = 0xd8 // CBOR's head of a tag in one byte
	switch kind := content[0]; {
	case kind >= archive.FirstPassedOver:
		return true
	case len(content) < 2 || kind > archive.TypeDictionaryRecord:
		return false
	case kind >= archive.TypeKeyRecord:
		return content[1] == envelopes
	}
	return content[1] == cborArray|5
}

// MaxTorn returns the most bytes that a torn last write of a seq can leave.
func (l *Layout) MaxTorn() int { return frameSize + l.limits.record }
