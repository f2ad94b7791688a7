package cmsder

import (
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
)

// The tags of optional and chosen parts, [0] to [4].
var (
	tag0 = der.Tag(0).ContextSpecific()
	tag1 = der.Tag(1).ContextSpecific()
	tag2 = der.Tag(2).ContextSpecific()
	tag3 = der.Tag(3).ContextSpecific()
	tag4 = der.Tag(4).ContextSpecific()
)

// malformed is the error of a part that is missing, has another type, or is not
// in DER.
func malformed(part string) error { return fmt.Errorf("%w: %s", exchange.ErrMalformed, part) }

func tooLarge(part string, size, limit int) error {
	return fmt.Errorf("%w: %s of %d bytes; at most %d are read", exchange.ErrTooLarge, part, size, limit)
}

func unsupported(format string, arguments ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{exchange.ErrUnsupported}, arguments...)...)
}

// Parse reads a message in DER into m, which it overwrites; the memory behind
// m.Recipients is used again. After an error m is of no use.
func Parse(b []byte, m *Message) error {
	if err := checkOuter(b); err != nil {
		return err
	}
	in, content := cryptobyte.String(b), cryptobyte.String(nil)
	var kind asn1.ObjectIdentifier
	if !in.ReadASN1(&in, der.SEQUENCE) || !in.ReadASN1ObjectIdentifier(&kind) {
		return malformed("ContentInfo")
	}
	if !kind.Equal(oidAuthEnvelopedData) {
		return unsupportedContent(kind)
	}
	if !in.ReadASN1(&content, tag0.Constructed()) || !in.Empty() {
		return malformed("ContentInfo")
	}
	var body cryptobyte.String
	if !content.ReadASN1(&body, der.SEQUENCE) || !content.Empty() {
		return malformed("AuthEnvelopedData")
	}
	return m.readBody(body)
}

func unsupportedContent(kind asn1.ObjectIdentifier) error {
	for _, c := range otherContent {
		if c.oid.Equal(kind) {
			return unsupported("%s; AuthEnvelopedData is needed", c.name)
		}
	}
	return unsupported("content type %s; AuthEnvelopedData is needed", kind)
}

// readBody reads the fields of AuthEnvelopedData (RFC 5083, section 2.1).
func (m *Message) readBody(body cryptobyte.String) error {
	whole := body
	if err := readVersion(&body, version0, "AuthEnvelopedData"); err != nil {
		return err
	}
	if body.PeekASN1Tag(tag0.Constructed()) {
		return unsupported("originatorInfo")
	}
	var recipients, content cryptobyte.String
	if !body.ReadASN1(&recipients, der.SET) {
		return malformed("recipientInfos")
	}
	m.front = whole[:len(whole)-len(body)]
	var err error
	if m.Recipients, err = readRecipients(recipients, m.Recipients[:0]); err != nil {
		return err
	}
	if !body.ReadASN1(&content, der.SEQUENCE) {
		return malformed("authEncryptedContentInfo")
	}
	if err := m.readContent(content); err != nil {
		return err
	}
	if body.PeekASN1Tag(tag1.Constructed()) {
		return unsupported("authenticated attributes")
	}
	tag := cryptobyte.String(nil)
	if !body.ReadASN1(&tag, der.OCTET_STRING) {
		return malformed("mac")
	}
	if len(tag) != TagSize {
		return unsupported("tag of %d bytes; %d are needed", len(tag), TagSize)
	}
	m.Tag = tag
	if body.PeekASN1Tag(tag2.Constructed()) {
		return unsupported("unauthenticated attributes")
	}
	if !body.Empty() {
		return malformed("something after the mac")
	}
	return nil
}

// readContent reads an EncryptedContentInfo (RFC 5652, section 6.1).
func (m *Message) readContent(in cryptobyte.String) error {
	var kind asn1.ObjectIdentifier
	if !in.ReadASN1ObjectIdentifier(&kind) {
		return malformed("authEncryptedContentInfo")
	}
	if !kind.Equal(oidData) {
		return unsupported("content of type %s; only data is read", kind)
	}
	cipher, parameters, err := readAlgorithm(&in)
	if err != nil {
		return err
	}
	if !cipher.Equal(oidAES256GCM) {
		return unsupported("cipher %s; AES-256-GCM is needed", nameAlgorithm(cipher))
	}
	if m.Nonce, err = readGCM(parameters); err != nil {
		return err
	}
	switch {
	case in.Empty():
		return unsupported("content that is stored elsewhere")
	case in.PeekASN1Tag(tag0.Constructed()):
		return malformed("content in pieces, which is BER and not DER")
	}
	content := cryptobyte.String(nil)
	if !in.ReadASN1(&content, tag0) || !in.Empty() {
		return malformed("encryptedContent")
	}
	m.Ciphertext = content
	return nil
}

// readGCM reads GCMParameters (RFC 5084, section 3.2).
func readGCM(in cryptobyte.String) ([]byte, error) {
	var parameters cryptobyte.String
	nonce := cryptobyte.String(nil)
	if !in.ReadASN1(&parameters, der.SEQUENCE) || !in.Empty() || !parameters.ReadASN1(&nonce, der.OCTET_STRING) {
		return nil, malformed("GCMParameters")
	}
	if len(nonce) != NonceSize {
		return nil, unsupported("nonce of %d bytes; %d are needed", len(nonce), NonceSize)
	}
	size := int64(12) // the default of icvLen
	if !parameters.Empty() {
		if !parameters.ReadASN1Integer(&size) || !parameters.Empty() || size == 12 {
			return nil, malformed("GCMParameters")
		}
	}
	if size != TagSize {
		return nil, unsupported("tag of %d bytes; %d are needed", size, TagSize)
	}
	return nonce, nil
}

// readVersion reads the version of a structure, which must be the wanted one.
func readVersion(in *cryptobyte.String, want int64, structure string) error {
	var version int64
	if !in.ReadASN1Integer(&version) {
		return malformed("version of " + structure)
	}
	if version != want {
		return unsupported("version %d of %s", version, structure)
	}
	return nil
}

// readAlgorithm reads an AlgorithmIdentifier and returns its parameters as they
// stand, empty if there are none.
func readAlgorithm(in *cryptobyte.String) (oid asn1.ObjectIdentifier, parameters cryptobyte.String, err error) {
	var algorithm cryptobyte.String
	if !in.ReadASN1(&algorithm, der.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) {
		return nil, nil, malformed("AlgorithmIdentifier")
	}
	return oid, algorithm, nil
}
