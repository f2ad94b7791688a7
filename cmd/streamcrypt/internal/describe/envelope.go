// Package describe reads the parts of envelopes that need no key.
//
// It reads an envelope of any length in a chunk of memory, and files that hold
// many of them. Nothing that it returns has been verified: that takes a key. It
// shows no payload, no record key and no header value.
package describe

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// Envelope is the visible part of an envelope (docs/envelope.md). Byte strings
// are in lower-case hex, sizes in bytes.
type Envelope struct {
	Profile    string      `json:"profile"` // self-contained or by-reference
	Form       string      `json:"form"`    // single or chunked
	Alg        Alg         `json:"alg"`
	Position   Position    `json:"position"`
	Commitment string      `json:"commitment,omitempty"` // self-contained
	KID        string      `json:"kid,omitempty"`        // by reference
	IV         IV          `json:"iv"`                   // of the first chunk
	MessageID  string      `json:"message_id,omitempty"` // chunked
	ChunkSize  int         `json:"chunk_size,omitempty"` // chunked
	Chunks     int64       `json:"chunks"`
	Payload    int64       `json:"payload_size"`
	Size       int64       `json:"size"`
	Coding     *Coding     `json:"coding,omitempty"`
	Signature  *Signature  `json:"signature,omitempty"` // not verified
	Recipients []Recipient `json:"recipients,omitempty"`
	// Unknown is the number of recipients of kinds that this version does
	// not know.
	Unknown int `json:"unknown_recipients,omitempty"`
}

// Alg is an algorithm and its COSE number.
type Alg struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// Position is where the message was stored before it was sealed.
type Position struct {
	Source        string    `json:"source"` // zeros: nothing is said of a source
	Partition     uint16    `json:"partition"`
	Term          uint64    `json:"term"`
	Offset        uint64    `json:"offset"`
	Distance      *uint32   `json:"distance"` // to the previous message; 0: not ordered; null: ordered, unknown
	Created       time.Time `json:"created"`
	Headers       string    `json:"headers"` // that are bound: all or named
	Bound         uint16    `json:"bound_headers"`
	Time          bool      `json:"bound_time"`
	SamePartition bool      `json:"same_partition"` // the sink keeps the partition of the source
	Rising        bool      `json:"rising_terms"`
}

// Coding is what was done to a payload before it was sealed.
type Coding struct {
	Compression string `json:"compression"` // none or zstd
	Padded      bool   `json:"padded"`
	Dictionary  string `json:"dictionary,omitempty"` // the first bytes of its hash
}

// Signature is that of a sealer.
type Signature struct {
	KID   string    `json:"kid"`
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// IV is a nonce. Only a counter nonce is made of a lease and a counter.
type IV struct {
	Hex     string `json:"hex"`
	Lease   uint32 `json:"lease"`
	Counter uint64 `json:"counter"`
}

// Recipient is a wrapped data key.
type Recipient struct {
	Alg     Alg    `json:"alg"`
	KID     string `json:"kid"` // a KMS key's is text
	Wrapped int    `json:"wrapped_size"`
}

const (
	ivSize, tagSize = 12, 16

	maxWhole = cms.MaxHead + cms.MaxSingle + tagSize + cms.MaxRecipientSize + 1
)

// Read reads one envelope from the front of r. The error begins with a reason's
// word; see Reason.
func Read(r *bufio.Reader) (*Envelope, error) {
	in := &input{r: r}
	head, err := in.peek(cms.MaxHead)
	if err != nil {
		return nil, err
	}
	var h cms.Header
	n, ok := cms.ParseHead(head, &h)
	if !ok {
		return nil, in.findFault()
	}
	e := newEnvelope(&h)
	in.skipPeeked(n)
	if h.Chunked {
		err = e.readSegments(in)
	} else {
		err = e.readSingle(in)
	}
	if err == nil && !h.ByReference {
		err = e.readRecipients(in)
	}
	e.Size = in.n
	return e, err
}

func newEnvelope(h *cms.Header) *Envelope {
	e := &Envelope{
		Profile: "self-contained", Form: "single", Alg: newAlg(cms.AlgA256GCM), Position: newPosition(h.Position),
		Commitment: hex.EncodeToString(h.Commitment), KID: hex.EncodeToString(h.KID),
		MessageID: hex.EncodeToString(h.MessageID), ChunkSize: h.ChunkSize,
	}
	if h.ByReference {
		e.Profile = "by-reference"
	}
	if h.Coded {
		e.Coding = newCoding(&h.Coding)
	}
	if len(h.Signature) > 0 && !h.ByReference {
		e.Signature = newSignature(h.Signature)
	}
	if h.Chunked {
		e.Form, e.Alg = "chunked", newAlg(cms.AlgChunked)
	} else {
		e.IV = newIV(h.IV)
	}
	return e
}

func newPosition(p cms.Position) Position {
	out := Position{
		Source: hex.EncodeToString(p.Source[:]), Partition: p.Partition, Term: p.Term, Offset: p.Offset,
		Created: time.Unix(int64(p.Created), 0).UTC(), Headers: "all", Bound: p.Bound,
		Time: p.Form&cms.FormTime != 0, SamePartition: p.Form&cms.FormSamePartition != 0,
		Rising: p.Form&cms.FormRising != 0,
	}
	if p.Form&cms.FormNamed != 0 {
		out.Headers = "named"
	}
	if p.Distance != cms.Unknown {
		out.Distance = &p.Distance
	}
	return out
}

func newCoding(c *cms.Coding) *Coding {
	out := &Coding{Compression: "none", Padded: c.Padding != 0}
	if c.Compression == cms.CompressionZstd {
		out.Compression = "zstd"
	}
	if c.Dictionary != [4]byte{} {
		out.Dictionary = hex.EncodeToString(c.Dictionary[:])
	}
	return out
}

func newSignature(b []byte) *Signature {
	s := cms.ReadSignature(b)
	return &Signature{
		KID:   hex.EncodeToString(s.KID[:]),
		From:  time.Unix(int64(s.From), 0).UTC(),
		Until: time.Unix(int64(s.Until), 0).UTC(),
	}
}

func newIV(b []byte) IV {
	return IV{Hex: hex.EncodeToString(b), Lease: binary.BigEndian.Uint32(b), Counter: binary.BigEndian.Uint64(b[4:])}
}

func (e *Envelope) readSingle(in *input) error {
	b, err := in.peek(headSize)
	if err != nil {
		return err
	}
	size, head, err := cms.CiphertextHead(b)
	if err != nil {
		return err
	}
	e.Chunks, e.Payload = 1, int64(size-tagSize)
	return in.discardBytes(head + size)
}

// headSize is more than the head of any string or array in an envelope has.
const headSize = 9

func (e *Envelope) readSegments(in *input) error {
	full := cms.SegmentSize(e.ChunkSize)
	for last := false; ; {
		b, err := in.peek(headSize + ivSize)
		if err != nil {
			return err
		}
		size, head, end, err := cms.SegmentHead(b, e.ChunkSize)
		switch {
		case err != nil:
			return err
		case end && e.Chunks < 2:
			return fmt.Errorf("%w: fewer than two segments", cms.ErrMalformed)
		case end:
			return in.discardBytes(head)
		case last:
			return fmt.Errorf("%w: a segment that is not the last one is not full", cms.ErrMalformed)
		case e.Chunks == 0 && len(b) >= head+ivSize:
			e.IV = newIV(b[head : head+ivSize])
		}
		e.Chunks++
		e.Payload += int64(size - cms.SegmentSize(0))
		last = size < full
		if err := in.discardBytes(head + size); err != nil {
			return err
		}
	}
}

func (e *Envelope) readRecipients(in *input) error {
	b, err := in.peek(cms.MaxRecipientSize + 1)
	if err != nil {
		return err
	}
	if len(b) == 0 {
		return cms.ErrTruncated
	}
	encoded, _, err := cms.SplitRecipients(b)
	switch {
	case err != nil && len(b) > cms.MaxRecipientSize:
		return fmt.Errorf("%w: recipients", cms.ErrTooLarge)
	case err != nil:
		return err
	}
	known, err := cms.ParseRecipients(encoded, nil)
	if err != nil {
		return err
	}
	for _, r := range known {
		kid := hex.EncodeToString(r.KID)
		if cms.HasTextKID(r.Alg) {
			kid = strings.ToValidUTF8(string(r.KID), "\ufffd")
		}
		e.Recipients = append(e.Recipients, Recipient{Alg: newAlg(r.Alg), KID: kid, Wrapped: len(r.Ciphertext)})
	}
	e.Unknown = int(encoded[0]&0x1f) - len(known) // at most 16 stand in one byte (RFC 8949, section 3)
	return in.discardBytes(len(encoded))
}

var names = map[int64]string{
	cms.AlgA256GCM:      "A256GCM",
	cms.AlgChunked:      "A256GCM in chunks",
	cms.AlgA256KW:       "A256KW",
	cms.AlgECDHESA256KW: "ECDH-ES+A256KW",
	cms.AlgRSAOAEP256:   "RSAES-OAEP w/ SHA-256",
	cms.AlgRSAOAEP512:   "RSAES-OAEP w/ SHA-512",
	cms.AlgAWSKMS:       "AWS KMS",
	cms.AlgMLKEM:        "MLKEM768-X25519",
	cms.AlgVault:        "Vault transit",
	cms.AlgGCPKMS:       "Google Cloud KMS",
}

func newAlg(id int64) Alg { return Alg{ID: id, Name: names[id]} }

// input counts the bytes that are read.
type input struct {
	r *bufio.Reader
	n int64
}

// peek returns the next n bytes, or all there are.
func (in *input) peek(n int) ([]byte, error) {
	b, err := in.r.Peek(n)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

// skipPeeked steps over bytes that were peeked at.
func (in *input) skipPeeked(n int) { n, _ = in.r.Discard(n); in.n += int64(n) }

func (in *input) discardBytes(n int) error {
	n, err := in.r.Discard(n)
	in.n += int64(n)
	if errors.Is(err, io.EOF) {
		return cms.ErrTruncated
	}
	return err
}

// findFault returns the fault of a head: the strict parser wants the whole.
func (in *input) findFault() error {
	b, err := io.ReadAll(io.LimitReader(in.r, maxWhole))
	in.n += int64(len(b))
	if err != nil {
		return err
	}
	return cms.HeadError(b)
}

// Reason returns the word for a fault (docs/errors.md), or "" if err is of
// another kind.
func Reason(err error) string {
	for _, reason := range []error{
		cms.ErrNotEnvelope, cms.ErrTruncated, cms.ErrTooLarge, cms.ErrMalformed, cms.ErrUnsupported,
	} {
		if errors.Is(err, reason) {
			return reason.Error()
		}
	}
	return ""
}
