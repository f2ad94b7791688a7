// Package vectors holds the test vectors of docs/envelope.md, for the tests of
// every door through which an envelope can come. They are made by generate.py,
// which works from the specification and shares no code with streamcrypt.
// README.md beside this file says what the fields mean.
//
// The package must not seal or open anything.
//
//	vectors.go   envelopes, and the keys that all vectors name
//	files.go     archives, raw files, and numbers outside envelopes
package vectors

import (
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

//go:embed *.json
var files embed.FS

// Hex is a byte string; nil where the file says null or nothing.
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

// Header is a header of a message; Value is nil where it is null.
type Header struct{ Name, Value Hex }

// UnmarshalJSON implements json.Unmarshaler: a header is an array of two.
func (h *Header) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&h.Name, &h.Value})
}

// Stored is a record in a key store.
type Stored struct{ Name, Bytes Hex }

// UnmarshalJSON implements json.Unmarshaler: a stored record is an array of
// two.
func (s *Stored) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&s.Name, &s.Bytes})
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

// Reader is what a reader is configured with.
type Reader struct {
	KeyNames    []string `json:"keys"`
	SignerNames []string `json:"signers"`
	Keys        []Key    `json:"-"` // by KeyNames, in their order
	Signers     []string `json:"-"` // by SignerNames: public keys, PEM
	Context     Hex      `json:"context"`
	KeyContext  Hex      `json:"key_context"` // nil: the context
	Bind        []Hex    `json:"bind"`        // header names, for the form named
	Skew        *int64   `json:"skew"`        // seconds; nil: 300
	Records     []Hex    `json:"records"`     // what the key store has under the kid of the envelope, in its order
}

// Vector is one envelope.
type Vector struct {
	Reader
	Name     string `json:"name"`
	Envelope Hex    `json:"envelope"`
	Expect   string `json:"expect"`
	// Grammar is "accepts" or "refuses" what docs/envelope.cddl must do with a refused one.
	Grammar           string   `json:"grammar"`
	Dictionaries      []Hex    `json:"dictionaries"`
	DictionaryRecords []Stored `json:"dictionary_records"`
	Now               *int64   `json:"now"`     // unix seconds; nil: the reader has no clock
	MaxAge            *int64   `json:"max_age"` // seconds; nil: none
	Limit             *int64   `json:"limit"`   // bytes of payload that the reader takes; nil: 1 MiB
	Medium            string   `json:"medium"`  // topic, stream, file or raw
	Subject           Hex      `json:"subject"`
	Key               Hex      `json:"key"`
	Headers           []Header `json:"headers"`
	Time              *int64   `json:"time"` // of the record, unix milliseconds; nil: none
	Kind              uint8    `json:"kind"`
	Extra             int      `json:"extra"` // headers that are left out
	External          Hex      `json:"external"`
	Payload
}

// Payload is what must come out, or of a long one its length and hash.
type Payload struct {
	Plaintext Hex `json:"plaintext"`
	Length    int `json:"plaintext_length"`
	SHA256    Hex `json:"plaintext_sha256"`
}

// All returns all vectors of envelopes.
func All() ([]Vector, error) {
	var all []Vector
	for _, name := range []string{"positive.json", "negative.json"} {
		var some []Vector
		if err := load(name, &some); err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, resolve(all, func(v *Vector) *Reader { return &v.Reader })
}

// load reads one of the files.
func load(name string, into any) error {
	data, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// resolve fills in the keys and signers that vectors name.
func resolve[V any](vectors []V, reader func(*V) *Reader) error {
	var shared struct {
		Keys    map[string]Key    `json:"keys"`
		Signers map[string]string `json:"signers"`
	}
	if err := load("shared.json", &shared); err != nil {
		return err
	}
	for i := range vectors {
		r := reader(&vectors[i])
		for _, name := range r.KeyNames {
			r.Keys = append(r.Keys, shared.Keys[name])
		}
		for _, name := range r.SignerNames {
			r.Signers = append(r.Signers, shared.Signers[name])
		}
	}
	return nil
}
