package cmsder

import (
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// readOAEP reads RSAES-OAEP-params (RFC 4055, section 4.1). Parameters with
// SHA-1, which is the default, with two hashes or with a label are another
// algorithm.
func readOAEP(in cryptobyte.String) (Algorithm, error) {
	var parameters cryptobyte.String
	if !in.ReadASN1(&parameters, der.SEQUENCE) || !in.Empty() {
		return Other, malformed("RSAES-OAEP-params")
	}
	hash, err := readHash(&parameters, tag0.Constructed())
	if err != nil {
		return Other, err
	}
	mask, err := readMask(&parameters)
	if err != nil {
		return Other, err
	}
	if parameters.PeekASN1Tag(tag2.Constructed()) {
		return Other, nil // a label
	}
	if !parameters.Empty() {
		return Other, malformed("RSAES-OAEP-params")
	}
	switch {
	case !hash.Equal(mask):
	case hash.Equal(oidSHA256):
		return OAEPSHA256, nil
	case hash.Equal(oidSHA512):
		return OAEPSHA512, nil
	}
	return Other, nil
}

// readHash reads an optional hash behind an explicit tag; nil if it is not
// there, which means SHA-1.
func readHash(in *cryptobyte.String, tag der.Tag) (asn1.ObjectIdentifier, error) {
	var inside cryptobyte.String
	var there bool
	if !in.ReadOptionalASN1(&inside, &there, tag) {
		return nil, malformed("RSAES-OAEP-params")
	}
	if !there {
		return nil, nil // the default
	}
	return readHashInside(inside)
}

// readHashInside reads the AlgorithmIdentifier of a hash: its parameters are
// absent or NULL (RFC 4055, section 2.1).
func readHashInside(in cryptobyte.String) (asn1.ObjectIdentifier, error) {
	oid, parameters, err := readAlgorithm(&in)
	if err != nil {
		return nil, err
	}
	if !in.Empty() || len(parameters) > 0 && string(parameters) != "\x05\x00" {
		return nil, malformed("hash of RSAES-OAEP-params")
	}
	return oid, nil
}

// readMask reads the hash of MGF1; nil for SHA-1, and for another function.
func readMask(in *cryptobyte.String) (asn1.ObjectIdentifier, error) {
	var inside cryptobyte.String
	var there bool
	if !in.ReadOptionalASN1(&inside, &there, tag1.Constructed()) {
		return nil, malformed("RSAES-OAEP-params")
	}
	if !there {
		return nil, nil // the default
	}
	function, parameters, err := readAlgorithm(&inside)
	if err != nil {
		return nil, err
	}
	if !inside.Empty() {
		return nil, malformed("mask of RSAES-OAEP-params")
	}
	if !function.Equal(oidMGF1) {
		return asn1.ObjectIdentifier{0, 0}, nil // equals no hash
	}
	return readHashInside(parameters)
}

// readOriginator reads the ephemeral public key of a key agreement; nil if the
// sender used a key of another kind, or a static one.
func readOriginator(in *cryptobyte.String) ([]byte, error) {
	var originator, key cryptobyte.String
	if !in.ReadASN1(&originator, tag0.Constructed()) || originator.Empty() {
		return nil, malformed("originator")
	}
	if !originator.PeekASN1Tag(tag1.Constructed()) {
		return nil, nil
	}
	if !originator.ReadASN1(&key, tag1.Constructed()) || !originator.Empty() {
		return nil, malformed("originator")
	}
	oid, parameters, err := readAlgorithm(&key)
	if err != nil {
		return nil, err
	}
	if !oid.Equal(oidX25519) {
		return nil, nil
	}
	var public asn1.BitString
	if !parameters.Empty() || !key.ReadASN1BitString(&public) || !key.Empty() ||
		public.BitLength != 8*EphemeralSize {
		return nil, malformed("originatorKey")
	}
	return public.Bytes, nil
}

// readUKM reads the optional user keying material of a key agreement.
func readUKM(in *cryptobyte.String) ([]byte, error) {
	var inside cryptobyte.String
	var there bool
	if !in.ReadOptionalASN1(&inside, &there, tag1.Constructed()) {
		return nil, malformed("ukm")
	}
	if !there {
		return nil, nil
	}
	ukm, err := readOctets(&inside, der.OCTET_STRING, MaxUKM, "ukm")
	return ukm, checkEnd(inside, err, "ukm")
}

// readWrapOfAgreement reads the key wrap that is the parameter of a key
// agreement.
func readWrapOfAgreement(in cryptobyte.String) (Algorithm, error) {
	oid, parameters, err := readAlgorithm(&in)
	switch {
	case err != nil:
		return Other, err
	case !in.Empty():
		return Other, malformed("key wrap of KeyAgreeRecipientInfo")
	case !oid.Equal(oidAES256Wrap):
		return Other, nil
	case !parameters.Empty():
		return Other, malformed("key wrap of KeyAgreeRecipientInfo")
	}
	return X25519, nil
}
