package cms

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
)

// headers is a decoded header map.
type headers map[any]any

// parseMap decodes a map in deterministic encoding, with labels that are
// integers or text.
func parseMap(b []byte) (headers, error) {
	if len(b) == 0 || b[0]&0xe0 != majorMap {
		return nil, fmt.Errorf("%w: headers are not a map", ErrMalformed)
	}
	var v any
	if checkWellFormed(b, 0) != nil || decoder.Unmarshal(b, &v) != nil || !isDeterministic(b) {
		return nil, fmt.Errorf("%w: headers are not in deterministic encoding", ErrMalformed)
	}
	m, ok := v.(map[any]any)
	if !ok {
		return nil, fmt.Errorf("%w: headers are not a map", ErrMalformed)
	}
	for label := range m {
		if !isInteger(label) {
			if _, ok := label.(string); !ok {
				return nil, fmt.Errorf("%w: a label that is neither an integer nor text", ErrMalformed)
			}
		}
	}
	return m, nil
}

// isInteger tells whether a decoded value is an integer, of any size.
func isInteger(v any) bool {
	switch v.(type) {
	case uint64, int64, *big.Int:
		return true
	}
	return false
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

func parseHeaders(byReference bool, protectedItem, unprotectedItem []byte) (*Header, error) {
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
	h := &Header{ByReference: byReference, Protected: protected}
	if err := in.readProtected(h); err != nil {
		return nil, err
	}
	switch {
	case len(unprotectedItem) == 0 || unprotectedItem[0]&0xe0 != majorMap:
		return nil, fmt.Errorf("%w: unprotected headers are not a map", ErrMalformed)
	case len(unprotectedItem) > maxHeaders:
		return nil, fmt.Errorf("%w: %d bytes of unprotected headers", ErrTooLarge, len(unprotectedItem))
	}
	out, err := parseMap(unprotectedItem)
	if err != nil {
		return nil, err
	}
	return h, out.readUnprotected(h)
}

// isPassedOver tells whether a label is of the range that is passed over.
func isPassedOver(label any) bool {
	n, ok := label.(int64)
	return ok && n <= firstPassed && n >= lastPassed
}

// checkLabels refuses every label that this version does not know, crit among
// them. passed says that some are passed over.
func (m headers) checkLabels(passed bool) error {
	for label := range m {
		switch label {
		case labelAlg, labelKID, labelIV,
			int64(LabelPosition), int64(LabelChunking), int64(LabelSignature), int64(LabelCoding):
			continue
		}
		if !passed || !isPassedOver(label) {
			return fmt.Errorf("%w: header label", ErrUnsupported)
		}
	}
	return nil
}

// byteString returns a header's byte string if it has the size.
func (m headers) byteString(label any, size int) ([]byte, error) {
	if b, ok := m[label].([]byte); ok && len(b) == size {
		return b, nil
	}
	return nil, fmt.Errorf("%w: header %v", ErrMalformed, label)
}

// readProtected makes the checks of docs/envelope.md, section 10, 3e to 3h, in
// this order.
func (m headers) readProtected(h *Header) error {
	if err := m.checkLabels(true); err != nil {
		return err
	}
	switch alg := m[labelAlg]; {
	case alg == uint64(AlgA256GCM):
	case alg == int64(AlgChunked):
		h.Chunked = true
	case !m.hasLabel(labelAlg):
		return fmt.Errorf("%w: no content alg", ErrMalformed)
	default: // the input decides its value, so it is not shown
		return fmt.Errorf("%w: content alg", ErrUnsupported)
	}
	known := 2
	if err := m.readPosition(h); err != nil {
		return err
	}
	if h.Chunked {
		known++
		if err := m.readChunking(h); err != nil {
			return err
		}
	}
	if h.Coded = m.hasLabel(int64(LabelCoding)); h.Coded {
		known++
		b, err := m.byteString(int64(LabelCoding), codingSize)
		if err != nil {
			return err
		}
		h.Coding = readCoding(b)
	}
	for label, value := range m {
		if isPassedOver(label) {
			known++
			if b, ok := value.([]byte); !ok || len(b) > maxPassed {
				return fmt.Errorf("%w: header %v", ErrMalformed, label)
			}
		}
	}
	if len(m) != known {
		return fmt.Errorf("%w: %d protected headers", ErrMalformed, len(m))
	}
	return checkValues(h)
}

// checkValues refuses unknown values before impossible ones.
func checkValues(h *Header) error {
	position := h.Position.check()
	var coding error
	if h.Coded {
		coding = h.Coding.check()
	}
	if errors.Is(coding, ErrUnsupported) && !errors.Is(position, ErrUnsupported) {
		return coding
	}
	return cmp.Or(position, coding)
}

func (m headers) readPosition(h *Header) error {
	size := PositionSize
	if !h.ByReference {
		size += CommitmentSize
	}
	b, err := m.byteString(int64(LabelPosition), size)
	if err != nil {
		return err
	}
	h.Position.readFrom(b)
	if !h.ByReference {
		h.Commitment = b[PositionSize:]
	}
	return nil
}

func (m headers) readChunking(h *Header) error {
	b, err := m.byteString(int64(LabelChunking), chunkingSize)
	if err != nil {
		return err
	}
	h.MessageID = b[:MessageIDSize]
	n := binary.BigEndian.Uint32(b[MessageIDSize:])
	if n < MinChunkSize || n > MaxChunkSize {
		return fmt.Errorf("%w: chunk size %d", ErrMalformed, n)
	}
	h.ChunkSize = int(n)
	return nil
}

// readUnprotected makes the checks 4d and 4e.
func (m headers) readUnprotected(h *Header) (err error) {
	if err := m.checkLabels(false); err != nil {
		return err
	}
	known := 0
	for _, field := range []struct {
		has   bool
		label any
		size  int
		to    *[]byte
	}{
		{h.ByReference, labelKID, KIDSize, &h.KID},
		{!h.Chunked, labelIV, IVSize, &h.IV},
		{m.hasLabel(int64(LabelSignature)), int64(LabelSignature), SignatureSize, &h.Signature},
	} {
		if !field.has {
			continue
		}
		known++
		if *field.to, err = m.byteString(field.label, field.size); err != nil {
			return err
		}
	}
	if len(m) != known {
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
