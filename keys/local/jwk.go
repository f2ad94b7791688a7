package local

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	ktyOct    = "oct"
	algA256KW = "A256KW"
)

// The errors of encoding/json quote the text that they cannot read, which may
// be key material, so none of them is passed on.
var (
	errJWKSyntax  = errors.New("JWK: not one JSON object")
	errJWKValue   = errors.New(`JWK: "k" is not base64url without padding`)
	errJWKUnnamed = errors.New(`JWK: no "kty"`)
)

// appendJWK appends the JWK file of an AES KEK to dst.
func appendJWK(dst, kek, kid []byte) []byte {
	dst = append(dst, `{"kty":"`+ktyOct+`","alg":"`+algA256KW+`","k":"`...)
	dst = base64.RawURLEncoding.AppendEncode(dst, kek)
	dst = append(dst, `","kid":"`...)
	dst = hex.AppendEncode(dst, kid)
	return append(dst, "\"}\n"...)
}

// parseJWK returns the key bytes of a symmetric JWK, of any length. Members
// that RFC 7517 lets us ignore are ignored.
func parseJWK(file []byte) ([]byte, error) {
	if err := checkSize(file); err != nil {
		return nil, err
	}
	if looksPEM(file) {
		return nil, &KindError{Want: kindAES, Have: describePEM(file)}
	}
	members, err := jwkMembers(file)
	if err != nil {
		return nil, err
	}
	if err := checkUse(members); err != nil {
		return nil, err
	}
	switch kty, ok := jsonString(members["kty"]); {
	case !ok:
		return nil, errJWKUnnamed
	case kty != ktyOct:
		return nil, &KindError{Want: kindAES, Have: kindOtherJWK}
	}
	if raw, ok := members["alg"]; ok {
		if alg, ok := jsonString(raw); !ok || alg != algA256KW {
			return nil, fmt.Errorf(`JWK: "alg" is not %s`, algA256KW)
		}
	}
	return decodeK(members["k"])
}

// jwkMembers returns the members of a JWK, or of the only one in a JWK set (RFC
// 7517 section 5).
func jwkMembers(file []byte) (map[string]json.RawMessage, error) {
	members, err := jsonMembers(file)
	if err != nil {
		return nil, err
	}
	set, is := members["keys"]
	if _, key := members["kty"]; !is || key {
		return members, nil
	}
	var keys []json.RawMessage
	if json.Unmarshal(set, &keys) != nil {
		return nil, errJWKSyntax
	}
	if len(keys) != 1 {
		return nil, fmt.Errorf("holds a JWK set of %d keys; put the right one into a file of its own", len(keys))
	}
	return jsonMembers(keys[0])
}

// checkUse refuses a key that is for signatures (RFC 7517 sections 4.2 and
// 4.3).
func checkUse(members map[string]json.RawMessage) error {
	use, _ := jsonString(members["use"])
	var ops []string
	_ = json.Unmarshal(members["key_ops"], &ops) // another type says nothing
	if use == "sig" || slices.Contains(ops, "sign") || slices.Contains(ops, "verify") {
		return errors.New(`holds a JWK for signatures ("use" or "key_ops" says so), not for encryption`)
	}
	return nil
}

// decodeK reads the "k" member (RFC 7518 section 6.4.1).
func decodeK(raw json.RawMessage) ([]byte, error) {
	k, ok := jsonString(raw)
	if !ok {
		return nil, errJWKValue
	}
	kek, err := base64.RawURLEncoding.Strict().DecodeString(k)
	// Line breaks, which the decoder skips, would make a second spelling of the
	// same key.
	if err != nil || base64.RawURLEncoding.EncodedLen(len(kek)) != len(k) {
		clear(kek)
		return nil, errJWKValue
	}
	return kek, nil
}

// jsonMembers splits a JSON object that stands alone into its members. Names
// are compared exactly and may occur once (RFC 7517 section 4), both of which
// encoding/json does not ask of a struct.
func jsonMembers(text []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errJWKSyntax
	}
	members := make(map[string]json.RawMessage)
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, errJWKSyntax
		}
		if _, twice := members[name]; twice {
			return nil, errors.New("JWK: a member occurs twice")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errJWKSyntax
		}
		members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errJWKSyntax
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errJWKSyntax
	}
	return members, nil
}

// jsonString returns the string that raw is, if it is one. null is none.
func jsonString(raw json.RawMessage) (string, bool) {
	var s *string
	if len(raw) == 0 || json.Unmarshal(raw, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}
