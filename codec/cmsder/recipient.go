package cmsder

import (
	"bytes"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
)

// readRecipients reads the elements of a SET OF RecipientInfo and appends them
// to list. One key agreement may hold several recipients.
func readRecipients(in cryptobyte.String, list []Recipient) ([]Recipient, error) {
	var last cryptobyte.String
	for !in.Empty() {
		var element cryptobyte.String
		var tag der.Tag
		if !in.ReadAnyASN1Element(&element, &tag) {
			return nil, malformed("RecipientInfo")
		}
		if len(element) > MaxRecipientSize {
			return nil, tooLarge("recipient", len(element), MaxRecipientSize)
		}
		if bytes.Compare(last, element) > 0 {
			return nil, malformed("recipients are not in the order of DER")
		}
		last = element
		var err error
		if list, err = readRecipient(element, tag, list); err != nil {
			return nil, fmt.Errorf("%w of recipient %d", err, len(list)+1)
		}
		if len(list) > MaxRecipients {
			return nil, fmt.Errorf("%w: more than %d recipients", exchange.ErrTooLarge, MaxRecipients)
		}
	}
	return list, checkRecipients(list)
}

// checkRecipients refuses names that two recipients share, since a reader could
// not tell which of them is meant.
func checkRecipients(list []Recipient) error {
	openable := false
	for i := range list {
		r := &list[i]
		openable = openable || r.Algorithm != Other
		for j := range list[:i] {
			if len(r.KeyID)+len(r.Certificate) > 0 && bytes.Equal(r.KeyID, list[j].KeyID) &&
				bytes.Equal(r.Certificate, list[j].Certificate) {
				return malformed(fmt.Sprintf("recipients %d and %d have one identifier", j+1, i+1))
			}
		}
	}
	switch {
	case len(list) == 0:
		return malformed("no recipient")
	case !openable:
		return unsupported("no recipient with AES-256 key wrap, RSA-OAEP with SHA-256 or SHA-512, or X25519")
	}
	return nil
}

// readRecipient reads one RecipientInfo (RFC 5652, section 6.2).
func readRecipient(element cryptobyte.String, tag der.Tag, list []Recipient) ([]Recipient, error) {
	var in cryptobyte.String
	if !element.ReadASN1(&in, tag) {
		return list, malformed("RecipientInfo")
	}
	var r Recipient
	var err error
	switch tag {
	case der.SEQUENCE:
		r, err = readKeyTransport(in)
	case tag1.Constructed():
		return readKeyAgreement(in, list)
	case tag2.Constructed():
		r, err = readKEK(in)
	case tag3.Constructed(), tag4.Constructed(): // a password; something else
	default:
		err = malformed("RecipientInfo")
	}
	return append(list, r), err
}

// readKeyTransport reads a KeyTransRecipientInfo.
func readKeyTransport(in cryptobyte.String) (r Recipient, err error) {
	var version int64
	if !in.ReadASN1Integer(&version) {
		return r, malformed("version of KeyTransRecipientInfo")
	}
	want := int64(version2)
	if in.PeekASN1Tag(der.SEQUENCE) {
		want = version0
		r.Certificate, err = readCertificate(&in)
	} else {
		r.KeyID, err = readOctets(&in, tag0, MaxKeyID, "subjectKeyIdentifier")
	}
	if err != nil {
		return r, err
	}
	if version != want {
		return r, unsupported("version %d of KeyTransRecipientInfo", version)
	}
	oid, parameters, err := readAlgorithm(&in)
	if err != nil {
		return r, err
	}
	if oid.Equal(oidOAEP) {
		if r.Algorithm, err = readOAEP(parameters); err != nil {
			return r, err
		}
	}
	r.EncryptedKey, err = readOctets(&in, der.OCTET_STRING, maxEncryptedKey, "encryptedKey")
	return r, checkEnd(in, err, "KeyTransRecipientInfo")
}

// readKEK reads a KEKRecipientInfo.
func readKEK(in cryptobyte.String) (r Recipient, err error) {
	if err := readVersion(&in, versionKEK, "KEKRecipientInfo"); err != nil {
		return r, err
	}
	if r.KeyID, err = readKeyIdentifier(&in, der.SEQUENCE, "KEKIdentifier"); err != nil {
		return r, err
	}
	oid, parameters, err := readAlgorithm(&in)
	if err != nil {
		return r, err
	}
	if r.EncryptedKey, err = readOctets(&in, der.OCTET_STRING, maxEncryptedKey, "encryptedKey"); err != nil {
		return r, err
	}
	if oid.Equal(oidAES256Wrap) {
		if !parameters.Empty() || len(r.EncryptedKey) != aes256WrappedSize {
			return r, malformed("AES-256 key wrap")
		}
		r.Algorithm = KeyWrap
	}
	return r, checkEnd(in, nil, "KEKRecipientInfo")
}

// readKeyAgreement reads a KeyAgreeRecipientInfo and appends its recipients,
// which share the ephemeral key.
func readKeyAgreement(in cryptobyte.String, list []Recipient) ([]Recipient, error) {
	if err := readVersion(&in, versionKeyAgreement, "KeyAgreeRecipientInfo"); err != nil {
		return list, err
	}
	ephemeral, err := readOriginator(&in)
	if err != nil {
		return list, err
	}
	ukm, err := readUKM(&in)
	if err != nil {
		return list, err
	}
	oid, parameters, err := readAlgorithm(&in)
	if err != nil {
		return list, err
	}
	algorithm := Other
	if ephemeral != nil && oid.Equal(oidHKDFSHA256Scheme) {
		if algorithm, err = readWrapOfAgreement(parameters); err != nil {
			return list, err
		}
	}
	var keys cryptobyte.String
	if !in.ReadASN1(&keys, der.SEQUENCE) || !in.Empty() || keys.Empty() {
		return list, malformed("recipientEncryptedKeys")
	}
	for !keys.Empty() {
		r := Recipient{Algorithm: algorithm, Ephemeral: ephemeral, UKM: ukm}
		if err := r.readAgreedKey(&keys); err != nil {
			return list, err
		}
		if list = append(list, r); len(list) > MaxRecipients {
			return list, nil // the caller refuses it
		}
	}
	return list, nil
}

// readAgreedKey reads a RecipientEncryptedKey.
func (r *Recipient) readAgreedKey(keys *cryptobyte.String) (err error) {
	var in cryptobyte.String
	if !keys.ReadASN1(&in, der.SEQUENCE) {
		return malformed("RecipientEncryptedKey")
	}
	if in.PeekASN1Tag(der.SEQUENCE) {
		r.Certificate, err = readCertificate(&in)
	} else {
		r.KeyID, err = readKeyIdentifier(&in, tag0.Constructed(), "rKeyId")
	}
	if err != nil {
		return err
	}
	r.EncryptedKey, err = readOctets(&in, der.OCTET_STRING, maxEncryptedKey, "encryptedKey")
	if err == nil && r.Algorithm == X25519 && len(r.EncryptedKey) != aes256WrappedSize {
		err = malformed("AES-256 key wrap")
	}
	return checkEnd(in, err, "RecipientEncryptedKey")
}

// readKeyIdentifier reads a KEKIdentifier or a RecipientKeyIdentifier. Both may
// say a date and more about the key, which nobody here would check.
func readKeyIdentifier(in *cryptobyte.String, tag der.Tag, structure string) ([]byte, error) {
	var identifier cryptobyte.String
	if !in.ReadASN1(&identifier, tag) {
		return nil, malformed(structure)
	}
	id, err := readOctets(&identifier, der.OCTET_STRING, MaxKeyID, structure)
	if err == nil && !identifier.Empty() {
		err = unsupported("%s with more than an identifier", structure)
	}
	return id, err
}

// readCertificate reads an IssuerAndSerialNumber, of which only the outer form
// is checked: it names a certificate that the reader does not have.
func readCertificate(in *cryptobyte.String) ([]byte, error) {
	var element, parts, issuer, serial cryptobyte.String
	if !in.ReadASN1Element(&element, der.SEQUENCE) {
		return nil, malformed("issuerAndSerialNumber")
	}
	inside := element
	if !inside.ReadASN1(&parts, der.SEQUENCE) || !parts.ReadASN1(&issuer, der.SEQUENCE) ||
		!parts.ReadASN1(&serial, der.INTEGER) || len(serial) == 0 || !parts.Empty() {
		return nil, malformed("issuerAndSerialNumber")
	}
	return element, nil
}

// readOctets reads a string of 1 to limit bytes.
func readOctets(in *cryptobyte.String, tag der.Tag, limit int, part string) ([]byte, error) {
	octets := cryptobyte.String(nil)
	switch {
	case !in.ReadASN1(&octets, tag) || len(octets) == 0:
		return nil, malformed(part)
	case len(octets) > limit:
		return nil, tooLarge(part, len(octets), limit)
	}
	return octets, nil
}

func checkEnd(in cryptobyte.String, err error, structure string) error {
	if err == nil && !in.Empty() {
		return malformed("something at the end of " + structure)
	}
	return err
}
