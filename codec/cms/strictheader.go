package cms

import (
	"encoding/binary"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// headers is a decoded header map.
type headers map[any]any

// parseMap decodes a map in deterministic encoding.
func parseMap(b []byte) (headers, error) {
	if len(b) == 0 || b[0]&0xe0 != majorMap {
		return nil, fmt.Errorf("%w: headers are not a map", ErrMalformed)
	}
	var v any
	if checkWellFormed(b) != nil || decoder.Unmarshal(b, &v) != nil || !isDeterministic(b) {
		return nil, fmt.Errorf("%w: headers are not in deterministic encoding", ErrMalformed)
	}
	m, ok := v.(map[any]any)
	if !ok {
		return nil, fmt.Errorf("%w: headers are not a map", ErrMalformed)
	}
	return m, nil
}

// parseBytes decodes a definite byte string in its shortest form.
func parseBytes(b []byte) ([]byte, error) {
	n, head, ok := bytesHead(b)
	if !ok || head+n != len(b) {
		return nil, fmt.Errorf("%w: not a byte string in deterministic encoding", ErrMalformed)
	}
	return b[head:], nil
}

// Labels as the decoder returns them.
const (
	labelAlg  = uint64(1)
	labelCrit = uint64(2)
	labelKID  = uint64(4)
	labelIV   = uint64(5)
)

func parseHeaders(byReference bool, protectedItem, unprotectedItem cbor.RawMessage) (*Header, error) {
	protected, err := parseBytes(protectedItem)
	if err != nil {
		return nil, err
	}
	if len(protected) > maxHeaders {
		return nil, fmt.Errorf("%w: %d protected bytes", ErrTooLarge, len(protected))
	}
	in, err := parseMap(protected)
	if err != nil {
		return nil, err
	}
	if err := in.checkLabels(); err != nil {
		return nil, err
	}
	h := &Header{ByReference: byReference, Protected: protected}
	if err := in.readProtected(h); err != nil {
		return nil, err
	}
	if len(unprotectedItem) > maxHeaders {
		return nil, fmt.Errorf("%w: %d bytes of unprotected headers", ErrTooLarge, len(unprotectedItem))
	}
	out, err := parseMap(unprotectedItem)
	if err != nil {
		return nil, err
	}
	if err := out.checkLabels(); err != nil {
		return nil, err
	}
	return h, out.readUnprotected(h)
}

// checkLabels refuses every label that this version does not know, crit among
// them.
func (m headers) checkLabels() error {
	for label := range m {
		switch label {
		case labelAlg, labelKID, labelIV, int64(LabelPosition), int64(LabelChunking):
		default:
			return fmt.Errorf("%w: header label", ErrUnsupported)
		}
	}
	return nil
}

// byteString returns a header's byte string if it has one of the sizes.
func (m headers) byteString(label any, sizes ...int) ([]byte, error) {
	b, ok := m[label].([]byte)
	for _, size := range sizes {
		if ok && len(b) == size {
			return b, nil
		}
	}
	return nil, fmt.Errorf("%w: header %v", ErrMalformed, label)
}

func (m headers) readProtected(h *Header) error {
	alg, ok := m[labelAlg]
	switch {
	case alg == uint64(AlgA256GCM):
	case alg == int64(AlgChunked):
		h.Chunked = true
	case !ok:
		return fmt.Errorf("%w: no content alg", ErrMalformed)
	default: // the input decides its value, so it is not shown
		return fmt.Errorf("%w: content alg", ErrUnsupported)
	}
	labels, size := 2, PositionSize
	if h.Chunked {
		labels++
	}
	if !h.ByReference {
		size += CommitmentSize
	}
	if len(m) != labels {
		return fmt.Errorf("%w: %d protected headers", ErrMalformed, len(m))
	}
	position, err := m.byteString(int64(LabelPosition), size)
	if err != nil {
		return err
	}
	h.Position = readPosition(position)
	if !h.ByReference {
		h.Commitment = position[PositionSize:]
	}
	if !h.Chunked {
		return nil
	}
	chunking, err := m.byteString(int64(LabelChunking), chunkingSize)
	if err != nil {
		return err
	}
	h.MessageID = chunking[:MessageIDSize]
	n := binary.BigEndian.Uint32(chunking[MessageIDSize:])
	if n < MinChunkSize || n > MaxChunkSize {
		return fmt.Errorf("%w: chunk size %d", ErrMalformed, n)
	}
	h.ChunkSize = int(n)
	return nil
}

func (m headers) readUnprotected(h *Header) (err error) {
	labels := 0
	if h.ByReference {
		labels++
		if h.KID, err = m.byteString(labelKID, KIDSize); err != nil {
			return err
		}
	}
	if !h.Chunked {
		labels++
		if h.IV, err = m.byteString(labelIV, ivSize); err != nil {
			return err
		}
	}
	if len(m) != labels {
		return fmt.Errorf("%w: %d unprotected headers", ErrMalformed, len(m))
	}
	return nil
}

// parseCiphertext fills in the ciphertext from its encoded item, which is
// well-formed CBOR.
func parseCiphertext(item []byte, e *Envelope) error {
	if !e.Chunked {
		size, head, err := CiphertextHead(item)
		if err != nil {
			return fmt.Errorf("%w: ciphertext", malformedIfCut(err))
		}
		e.Ciphertext = item[head : head+size]
		return nil
	}
	if item[0] != cborOpen {
		return fmt.Errorf("%w: chunked ciphertext in one piece", ErrMalformed)
	}
	segments, rest, ok := scanSegments(item[1:], e.ChunkSize)
	if !ok || len(rest) != 0 {
		return fmt.Errorf("%w: segments", ErrMalformed)
	}
	e.Segments = segments
	return nil
}

// malformedIfCut makes a short item malformed: inside well-formed CBOR it is
// not cut.
func malformedIfCut(err error) error {
	if err == ErrTruncated {
		return ErrMalformed
	}
	return err
}

// parseRecipient decodes one recipient. Of an unknown kind only the form is
// checked.
func parseRecipient(item cbor.RawMessage) (r Recipient, known bool, err error) {
	elements, err := splitArray(item)
	switch {
	case err != nil:
		return r, false, err
	case len(elements) == 4:
		return r, false, fmt.Errorf("%w: nested", ErrUnsupported)
	case len(elements) != 3:
		return r, false, fmt.Errorf("%w: array of %d elements", ErrMalformed, len(elements))
	}
	protected, err := parseBytes(elements[0])
	if err != nil {
		return r, false, err
	}
	in := headers{}
	if len(protected) > 0 {
		if in, err = parseMap(protected); err != nil {
			return r, false, err
		}
	}
	out, err := parseMap(elements[1])
	if err != nil {
		return r, false, err
	}
	if r.Ciphertext, err = parseBytes(elements[2]); err != nil {
		return r, false, err
	}
	if in.hasLabel(labelCrit) || out.hasLabel(labelCrit) {
		return r, false, fmt.Errorf("%w: crit", ErrUnsupported)
	}
	if in.hasLabel(labelAlg) == out.hasLabel(labelAlg) {
		return r, false, fmt.Errorf("%w: alg", ErrMalformed)
	}
	r.readHeaders(in, out)
	switch r.Alg {
	case AlgA256KW, AlgECDHESA256KW, AlgRSAOAEP256, AlgRSAOAEP512, AlgAWSKMS:
		if !sameEncoding(&r, item) {
			return r, false, fmt.Errorf("%w: not of the shape of alg %d", ErrMalformed, r.Alg)
		}
		return r, true, nil
	}
	return r, false, nil
}

func (m headers) hasLabel(label any) bool {
	_, ok := m[label]
	return ok
}

// readHeaders takes alg, kid and ephemeral key from the headers, as far as they
// are there.
func (r *Recipient) readHeaders(in, out headers) {
	alg := in[labelAlg]
	if !in.hasLabel(labelAlg) {
		alg = out[labelAlg]
	}
	r.Alg, _ = alg.(int64)
	r.KID, _ = out[labelKID].([]byte)
	if epk, ok := out[int64(-1)].(map[any]any); ok {
		r.Ephemeral, _ = epk[int64(-2)].([]byte)
	}
}
