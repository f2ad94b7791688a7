package cmsder

import "encoding/asn1"

var (
	oidData              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidAuthEnvelopedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 23}

	oidAES256GCM  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 46}
	oidAES256Wrap = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 45}

	oidOAEP   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 7}
	oidMGF1   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA512 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}

	oidX25519 = asn1.ObjectIdentifier{1, 3, 101, 110}
	// dhSinglePass-stdDH-hkdf-sha256-scheme of RFC 8418.
	oidHKDFSHA256Scheme = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 3, 19}
)

// otherContent are the contents of CMS that a sender may have meant instead.
var otherContent = []struct {
	oid  asn1.ObjectIdentifier
	name string
}{
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}, "Data, which is not encrypted"},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}, "SignedData"},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}, "EnvelopedData, whose ciphers authenticate nothing"},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 5}, "DigestedData"},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}, "EncryptedData"},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 2}, "AuthenticatedData"},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 9}, "CompressedData"},
}

// otherAlgorithms are the names of algorithms that an error may meet.
var otherAlgorithms = []struct {
	oid  asn1.ObjectIdentifier
	name string
}{
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 6}, "AES-128-GCM"},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 26}, "AES-192-GCM"},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 47}, "AES-256-CCM"},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, "AES-256-CBC"},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 3, 18}, "ChaCha20-Poly1305"},
}

// nameAlgorithm names an algorithm for an error.
func nameAlgorithm(oid asn1.ObjectIdentifier) string {
	for _, a := range otherAlgorithms {
		if a.oid.Equal(oid) {
			return a.name
		}
	}
	return oid.String()
}
