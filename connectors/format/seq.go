package format

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// The bytes of a seq are
//
//	"SCXSEQ1\n"  then records of  length 4 || CRC-32C 4 || type 1 || body
//
// with big-endian numbers; length and CRC cover type and body. A record of type
// 0 is a message and one of type 1 an end, in the same form: its value is
// sealed and covers all records before it. Types 2 and 3 are the bare envelopes
// of key and dictionary records. A complete seq ends with an end
// (docs/envelope.md, section 9).

const (
	seqMagic  = "SCXSEQ1\n"
	frameSize = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealFrame fills in the head of the frame that begins at start.
func sealFrame(dst []byte, start, most int) ([]byte, error) {
	content := dst[start+frameSize:]
	if len(content) > most {
		return dst[:start], fmt.Errorf("%w: a record of more than %d bytes", ErrTooLarge, most)
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(content)))
	binary.BigEndian.PutUint32(dst[start+4:], crc32.Checksum(content, castagnoli))
	return dst, nil
}

// appendMessageFrame appends a record in the form of a message.
func appendMessageFrame(dst []byte, kind byte, m *pipeline.Message, most int) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, frameSize)...)
	return sealFrame(appendBody(append(dst, kind), m), start, most)
}

// appendFrame appends a record with a body that is written already.
func appendFrame(dst []byte, kind byte, body []byte, most int) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, frameSize)...)
	return sealFrame(append(append(dst, kind), body...), start, most)
}

// digester adds records to a chain. It reuses its memory.
type digester struct {
	chain *archive.Chain
	front func(e []byte) ([]byte, bool)
	body  []byte
}

// tombstoneHeader is the header in which a null value carries its envelope.
const tombstoneHeader = "streamcrypt"

// addMessage adds a message: its body with the bytes of its envelope that
// rewrapping does not change.
func (d *digester) addMessage(m *pipeline.Message) {
	digested := *m
	if m.Value != nil {
		if front, ok := d.front(m.Value); ok {
			digested.Value = front
		}
	} else if at := findTombstone(m.Headers); at >= 0 {
		if front, ok := d.front(m.Headers[at].Value); ok {
			digested.Headers = append([]pipeline.Header(nil), m.Headers...)
			digested.Headers[at].Value = front
		}
	}
	d.body = appendBody(d.body[:0], &digested)
	d.chain.BeginRecord(archive.TypeMessage, len(d.body)).Write(d.body)
}

// findTombstone returns the index of the header of that name if there is just
// one, else -1.
func findTombstone(headers []pipeline.Header) int {
	at := -1
	for i := range headers {
		if headers[i].Name != tombstoneHeader {
			continue
		}
		if at >= 0 {
			return -1
		}
		at = i
	}
	return at
}

// addRecord adds a record of types 2 and 3, or 128 and above.
func (d *digester) addRecord(kind byte, body []byte) {
	if kind < archive.FirstPassedOver {
		if front, ok := d.front(body); ok {
			body = front
		}
	}
	d.chain.BeginRecord(kind, len(body)).Write(body)
}
