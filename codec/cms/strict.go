package cms

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// decoder reads bytes that scanItem has let through; encoder writes the core
// deterministic encoding of RFC 8949, 4.2.1. Comparing the two is the check for
// it.
var (
	decoder = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthAllowed,
		TagsMd:            cbor.TagsForbidden,
		UTF8:              cbor.UTF8RejectInvalid,
		MaxNestedLevels:   maxNesting,
		MaxArrayElements:  maxElements,
		MaxMapPairs:       maxElements,
		BigIntDec:         cbor.BigIntDecodePointer,
		ExtraReturnErrors: cbor.ExtraDecErrorNone,
	}.DecMode())
	encoder = must(cbor.CoreDetEncOptions().EncMode())
)

func must[M any](mode M, err error) M {
	if err != nil {
		panic("cms: internal error: " + err.Error())
	}
	return mode
}

// parseStrict reads an envelope with a CBOR library, in the order of
// docs/envelope.md, section 10. It is slow, and independent of the shapes.
func parseStrict(b []byte, e *Envelope) error {
	body, byReference, err := splitTag(b)
	if err != nil {
		return err
	}
	if err := checkWellFormed(body, 0); err != nil {
		return err
	}
	elements, err := splitArray(body)
	if err != nil {
		return err
	}
	if want := map[bool]int{false: 4, true: 3}[byReference]; len(elements) != want {
		return fmt.Errorf("%w: array of %d elements", ErrMalformed, len(elements))
	}
	h, err := parseHeaders(byReference, elements[0], elements[1])
	if err != nil {
		return err
	}
	*e = Envelope{Header: *h}
	// What the library returned are copies; from here on e aliases b, as after
	// the fast path.
	at := len(b) - len(body) + 1 + len(elements[0])
	e.Protected = b[at-len(h.Protected) : at]
	at += len(elements[1])
	if err := parseCiphertext(b[at:at+len(elements[2])], e); err != nil || byReference {
		return err
	}
	e.Recipients = b[at+len(elements[2]):]
	_, err = ParseRecipients(e.Recipients, nil)
	return err
}

// parseHeadStrict is ParseHead for an envelope that has passed-over labels.
func parseHeadStrict(b []byte, h *Header) (n int, ok bool) {
	body, byReference, err := splitTag(b)
	if err != nil || len(body) == 0 || body[0] != majorArray|map[bool]byte{false: 4, true: 3}[byReference] {
		return 0, false
	}
	size, head, ok := bytesHead(body[1:])
	if !ok || len(body) < 1+head+size {
		return 0, false
	}
	rest, err := scanItem(body[1+head+size:], 1)
	if err != nil {
		return 0, false
	}
	protected, unprotected := body[1:1+head+size], body[1+head+size:len(body)-len(rest)]
	read, err := parseHeaders(byReference, protected, unprotected)
	if err != nil {
		return 0, false
	}
	*h = *read
	n = len(b) - len(rest)
	h.Protected = b[n-len(unprotected)-size : n-len(unprotected)]
	if !h.Chunked {
		return n, true
	}
	return n + 1, len(rest) > 0 && rest[0] == cborOpen
}

// splitTag takes the tag from the front.
func splitTag(b []byte) (body []byte, byReference bool, err error) {
	switch {
	case len(b) >= 1 && b[0] == 0xd0:
		return b[1:], true, nil
	case len(b) >= 2 && b[0] == 0xd8 && b[1] == 0x60:
		return b[2:], false, nil
	case len(b) == 1 && b[0] == 0xd8:
		return nil, false, ErrTruncated
	}
	return nil, false, ErrNotEnvelope
}

// checkWellFormed checks that b is one CBOR item within the limits, with no map
// key twice. depth is how many arrays and maps it stands in.
func checkWellFormed(b []byte, depth int) error {
	rest, err := scanItem(b, depth)
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return fmt.Errorf("%w: bytes after the envelope", ErrMalformed)
	}
	return nil
}

// splitArray splits a definite-length array in its shortest form.
func splitArray(b []byte) ([]cbor.RawMessage, error) {
	var elements []cbor.RawMessage
	if len(b) == 0 || b[0]&0xe0 != majorArray {
		return nil, fmt.Errorf("%w: not an array", ErrMalformed)
	}
	if err := decoder.Unmarshal(b, &elements); err != nil {
		return nil, fmt.Errorf("%w: array", ErrMalformed)
	}
	if b[0] != majorArray|byte(len(elements)) {
		return nil, fmt.Errorf("%w: array is not in deterministic encoding", ErrMalformed)
	}
	return elements, nil
}

// isDeterministic says whether b, decoded and encoded again, is b.
func isDeterministic(b []byte) bool {
	var v any
	if decoder.Unmarshal(b, &v) != nil {
		return false
	}
	again, err := encoder.Marshal(v)
	return err == nil && bytes.Equal(again, b)
}
