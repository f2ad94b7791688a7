package cms

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// parseRecipient decodes one recipient (docs/envelope.md, section 10, 6c to
// 6g). Of an unknown kind only the form is checked.
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
	alg := in[labelAlg]
	if !in.hasLabel(labelAlg) {
		alg = out[labelAlg]
	}
	if _, text := alg.(string); !text && !isInteger(alg) {
		return r, false, fmt.Errorf("%w: alg is neither an integer nor text", ErrMalformed)
	}
	r.readHeaders(alg, out)
	switch r.Alg {
	case AlgA256KW, AlgECDHESA256KW, AlgRSAOAEP256, AlgRSAOAEP512, AlgAWSKMS, AlgMLKEM, AlgVault, AlgGCPKMS:
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
func (r *Recipient) readHeaders(alg any, out headers) {
	r.Alg, _ = alg.(int64) // all of the known kinds are negative
	r.KID, _ = out[labelKID].([]byte)
	if epk, ok := out[int64(-1)].(map[any]any); ok {
		r.Ephemeral, _ = epk[int64(-2)].([]byte)
	}
}
