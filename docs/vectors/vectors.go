// Package vectors holds the test vectors of docs/envelope.md, for the tests of every door through which an envelope
// can come. They are made by generate.py, which works from the specification and shares no code with streamcrypt.
package vectors

import (
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

//go:embed positive.json negative.json
var files embed.FS

// Hex is a byte string; nil where the file says null.
type Hex []byte

// UnmarshalJSON implements json.Unmarshaler.
func (h *Hex) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil || s == nil {
		return err
	}
	decoded, err := hex.DecodeString(*s)
	*h = append([]byte{}, decoded...) // the empty string is not null
	return err
}

// Bound is a header name and its values.
type Bound struct {
	Name   Hex
	Values []Hex
}

// UnmarshalJSON implements json.Unmarshaler: a bound header is an array of two.
func (b *Bound) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&b.Name, &b.Values})
}

// Key is a KEK that the reader has.
type Key struct {
	Kind string          `json:"kind"`
	JWK  json.RawMessage `json:"jwk"`
	PEM  string          `json:"pem"`
}

// File is the key as it stands in a key file.
func (k *Key) File() []byte {
	if k.Kind == "local" {
		return k.JWK
	}
	return []byte(k.PEM)
}

// Unwrapper returns the key ready for use.
func (k *Key) Unwrapper() (keys.Unwrapper, error) {
	switch k.Kind {
	case "local":
		return local.ParseAES(k.File())
	case "x25519":
		return local.ParseX25519(k.File())
	case "rsa":
		return local.ParseRSA(k.File())
	}
	return nil, fmt.Errorf("kind of key %q", k.Kind)
}

// Vector is one case; docs/envelope.md, section 14, says what its fields are.
type Vector struct {
	Name      string  `json:"name"`
	Envelope  Hex     `json:"envelope"`
	Expect    string  `json:"expect"`
	Keys      []Key   `json:"keys"`
	Records   []Hex   `json:"records"`
	Context   Hex     `json:"context"`
	Subject   Hex     `json:"subject"`
	Key       Hex     `json:"key"`
	Bound     []Bound `json:"bound"`
	Kind      uint8   `json:"kind"`
	Plaintext Hex     `json:"plaintext"`
}

// All returns all vectors.
func All() ([]Vector, error) {
	var all []Vector
	for _, name := range []string{"positive.json", "negative.json"} {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var some []Vector
		if err := json.Unmarshal(data, &some); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, some...)
	}
	return all, nil
}
