package jwe

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
)

// malformed returns an error of something that begins like a JWE and is none.
func malformed(text string) error { return fmt.Errorf("%w: JWE: %s", exchange.ErrMalformed, text) }

// unsupported returns an error of something that is not taken. Text of the
// message is quoted, and cut.
func unsupported(format string, arguments ...any) error {
	return fmt.Errorf("%w: JWE: "+format, append([]any{exchange.ErrUnsupported}, arguments...)...)
}

var (
	errJSON  = malformed("not one JSON object")
	errTwice = malformed("a member occurs twice")
)

// errSyntax says that a text is no JSON object.
var errSyntax = errors.New("syntax")

// object is the members of a JSON object, by their exact names.
type object map[string]json.RawMessage

// readObject splits a JSON object that stands alone into its members. A name
// that occurs twice is errTwice, beside the members: readers would differ about
// the value that counts. errSyntax is anything else that is wrong.
func readObject(text []byte) (object, error) {
	if !utf8.Valid(text) {
		return nil, errSyntax
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errSyntax
	}
	members, twice := object{}, false
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, errSyntax
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errSyntax
		}
		_, known := members[name]
		twice = twice || known
		members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errSyntax
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errSyntax
	}
	if twice {
		return members, errTwice
	}
	return members, nil
}

// readInner is readObject of an object inside a message that is a JWE.
func readInner(text []byte) (object, error) {
	members, err := readObject(text)
	if errors.Is(err, errSyntax) {
		return nil, errJSON
	}
	return members, err
}

// has tells whether there is such a member.
func (o object) has(name string) bool { return o[name] != nil }

// readText returns a member that is a string; "" if there is none.
func (o object) readText(name string) (text string, err error) {
	raw, ok := o[name]
	if !ok {
		return "", nil
	}
	if len(raw) < 2 || raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		return "", malformed(name + " is not a string")
	}
	return text, nil
}

// appendBytes appends a member that is base64url to dst; nothing if there is
// none.
func (o object) appendBytes(dst []byte, name string) ([]byte, error) {
	raw, ok := o[name]
	if !ok {
		return dst, nil
	}
	var text []byte
	if len(raw) >= 2 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		text = raw[1 : len(raw)-1]
	} else {
		s, err := o.readText(name)
		if err != nil {
			return dst, err
		}
		text = []byte(s)
	}
	return appendDecoded(dst, text, name)
}

var encoding = base64.RawURLEncoding.Strict()

// appendDecoded appends the bytes that base64url text stands for. There is one
// spelling of them: no padding, no line breaks (which the decoder would skip),
// no loose bits. name is for the error.
func appendDecoded(dst, text []byte, name string) ([]byte, error) {
	out, err := encoding.AppendDecode(dst, text)
	if err != nil || encoding.EncodedLen(len(out)-len(dst)) != len(text) {
		return dst, malformed(name + " is not base64url without padding")
	}
	return out, nil
}
