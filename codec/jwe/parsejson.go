package jwe

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/keys"
)

// startsObject tells whether b begins with a JSON object.
func startsObject(b []byte) bool {
	b = bytes.TrimLeft(b[:min(len(b), 64)], " \t\r\n")
	return len(b) > 0 && b[0] == '{'
}

// parts are the members that make a JSON object a JWE: the ciphertext, and any
// of these (RFC 7516 section 7.2.1).
var parts = [...]string{"protected", "unprotected", "header", "recipients", "encrypted_key", "iv", "tag"}

// isJWE tells whether an object is meant as a JWE. Every other object is some
// plaintext in JSON.
func (o object) isJWE() bool {
	if !o.has("ciphertext") {
		return false
	}
	for _, name := range parts {
		if o.has(name) {
			return true
		}
	}
	return false
}

// isJSON tells whether b is a JSON form.
func isJSON(b []byte) bool {
	if !startsObject(b) || !mayBeJWE(b) {
		return false
	}
	o, err := readObject(b)
	return (err == nil || errors.Is(err, errTwice)) && o.isJWE()
}

// mayBeJWE tells at little cost whether a JSON text may have a ciphertext:
// plaintext in JSON seldom has.
func mayBeJWE(b []byte) bool {
	return bytes.Contains(b, []byte("ciphertext")) || bytes.IndexByte(b, '\\') >= 0
}

// The rest of a message that this program makes, behind everything that it has
// in common with others: 16 characters of IV, and so on.
const (
	frontEnd    = `"iv":"`
	ivChars     = 16
	middle      = `","ciphertext":"`
	beforeTag   = `","tag":"`
	tagChars    = 22
	end         = `"}`
	behindFront = ivChars + len(middle) + len(beforeTag) + tagChars + len(end)
)

// cutRest takes the rest of such a message apart; ok is false if it is another
// layout.
func cutRest(rest []byte) (iv, ciphertext, tag []byte, ok bool) {
	if len(rest) < behindFront {
		return nil, nil, nil, false
	}
	iv, rest = rest[:ivChars], rest[ivChars:]
	rest, ok1 := bytes.CutPrefix(rest, []byte(middle))
	rest, ok2 := bytes.CutSuffix(rest, []byte(end))
	if !ok1 || !ok2 || len(rest) < len(beforeTag)+tagChars {
		return nil, nil, nil, false
	}
	tag, rest = rest[len(rest)-tagChars:], rest[:len(rest)-tagChars]
	ciphertext, ok = bytes.CutSuffix(rest, []byte(beforeTag))
	return iv, ciphertext, tag, ok
}

// parseJSON reads the general or the flattened form (RFC 7516 section 7.2).
func parseJSON(m *exchange.Message, b []byte) error {
	kept := useMemory(m)
	if rest, ok := bytes.CutPrefix(b, kept.front); ok && len(kept.front) > 0 {
		// It differs from the last message in the sealed parts only. Whether
		// these are base64url, decoding tells, so they end where they seem to.
		if iv, ciphertext, tag, ok := cutRest(rest); ok {
			m.Recipients, m.AAD = kept.recipients, kept.aad
			return parseSealed(m, kept, iv, ciphertext, tag)
		}
	}
	if !mayBeJWE(b) {
		return exchange.ErrNotEnvelope
	}
	o, err := readObject(b)
	switch {
	case err != nil && !errors.Is(err, errTwice) || !o.isJWE():
		return exchange.ErrNotEnvelope
	case err != nil:
		return err
	case o.has("aad"):
		return unsupported("aad: there is no place for it in a message")
	}
	recipients, aad, err := readFront(o)
	if err != nil {
		return err
	}
	var sealed [3][]byte
	for i, name := range [...]string{"iv", "ciphertext", "tag"} {
		text, err := o.readText(name)
		if err != nil {
			return err
		}
		sealed[i] = []byte(text)
	}
	kept.front = kept.front[:0]
	if at := bytes.Index(b, []byte(frontEnd)); at >= 0 {
		front := b[:at+len(frontEnd)]
		if _, _, _, ok := cutRest(b[len(front):]); ok {
			kept.keepFront(front, recipients, aad)
		}
	}
	m.Recipients, m.AAD = recipients, aad
	return parseSealed(m, kept, sealed[0], sealed[1], sealed[2])
}

// readFront returns the recipients, and the associated data.
func readFront(o object) (recipients []keys.Wrapped, aad []byte, err error) {
	text, err := o.readText("protected")
	if err != nil {
		return nil, nil, err
	}
	aad = []byte(text)
	protected, err := readProtected(aad)
	if err != nil {
		return nil, nil, err
	}
	shared, err := o.readHeaders("unprotected")
	if err != nil {
		return nil, nil, err
	}
	each, err := listRecipients(o)
	if err != nil {
		return nil, nil, err
	}
	headers, wrapped := make([]header, len(each)), make([][]byte, len(each))
	for i, r := range each {
		own, err := r.readHeaders("header")
		if err != nil {
			return nil, nil, err
		}
		joined, err := joinHeaders(protected, shared, own)
		if err != nil {
			return nil, nil, err
		}
		if headers[i], err = readHeader(joined); err != nil {
			return nil, nil, err
		}
		if wrapped[i], err = r.appendBytes(nil, "encrypted_key"); err != nil {
			return nil, nil, err
		}
	}
	recipients, err = readAll(headers, wrapped)
	return recipients, aad, err
}

// readProtected reads the protected header; that of an empty text is empty.
func readProtected(text []byte) (object, error) {
	if len(text) == 0 {
		return object{}, nil
	}
	if len(text) > maxEncodedHeader {
		return nil, errHeaderSize
	}
	decoded, err := appendDecoded(nil, text, "protected")
	if err != nil {
		return nil, err
	}
	return readInner(decoded)
}

// readHeaders reads a member that is an object of header parameters.
func (o object) readHeaders(name string) (object, error) {
	switch raw := o[name]; {
	case raw == nil:
		return object{}, nil
	case len(raw) > maxHeader:
		return nil, errHeaderSize
	default:
		return readInner(raw)
	}
}

// listRecipients returns the objects with a header and an encrypted key: the
// members of "recipients", or of the flattened form the message itself.
func listRecipients(o object) ([]object, error) {
	if !o.has("recipients") {
		return []object{o}, nil
	}
	if o.has("header") || o.has("encrypted_key") {
		return nil, malformed("both the general and the flattened form")
	}
	if len(o["recipients"]) > exchange.MaxRecipients*maxHeader {
		return nil, errHeaderSize
	}
	var raw []json.RawMessage
	if json.Unmarshal(o["recipients"], &raw) != nil || len(raw) == 0 {
		return nil, malformed("recipients is not an array of some")
	}
	if len(raw) > exchange.MaxRecipients {
		return nil, errRecipients
	}
	each := make([]object, len(raw))
	for i := range raw {
		var err error
		if each[i], err = readInner(raw[i]); err != nil {
			return nil, err
		}
	}
	return each, nil
}
