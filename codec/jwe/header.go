package jwe

import (
	"bytes"
	"encoding/hex"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/keys"
)

const (
	// maxHeader is the size of the largest header, in bytes of JSON.
	maxHeader = 16 << 10
	// shownText is how much of a stranger's text an error quotes.
	shownText = 40

	wrappedSize = keys.DEKSize + 8 // by AES key wrap
	minRSASize  = 256
	maxRSASize  = 512
	x25519Size  = 32
)

// header is the header parameters of a recipient (RFC 7516 section 4). Those
// that are not read here say nothing to us, and may be ignored, since crit is
// refused.
type header struct {
	alg, enc string
	kid      string
	hasKID   bool
	epk      object // nil: none
	party    []byte // of apu and apv; nil: neither
}

// joinHeaders makes one object of the parts of a JOSE header. Their names must
// be disjoint (RFC 7516 section 5.2). A parameter that some libraries repeat is
// taken if both say the same.
func joinHeaders(parts ...object) (object, error) {
	joined := object{}
	for _, part := range parts {
		for name, value := range part {
			if was := joined[name]; was != nil && !bytes.Equal(was, value) {
				return nil, errTwice
			}
			joined[name] = value
		}
	}
	return joined, nil
}

// readHeader reads a JOSE header. Parameters that change the meaning of the
// message are refused.
func readHeader(o object) (h header, err error) {
	for _, name := range [...]string{"crit", "zip"} {
		if o.has(name) {
			return h, unsupported("%s", name)
		}
	}
	for name, to := range map[string]*string{"alg": &h.alg, "enc": &h.enc, "kid": &h.kid} {
		if *to, err = o.readText(name); err != nil {
			return h, err
		}
	}
	h.hasKID = o.has("kid")
	if o.has("epk") {
		if h.epk, err = readInner(o["epk"]); err != nil {
			return h, err
		}
	}
	if o.has("apu") || o.has("apv") {
		h.party, err = readParty(o)
	}
	switch {
	case err != nil:
		return h, err
	case h.alg == "":
		return h, malformed("no alg")
	case h.enc == "":
		return h, malformed("no enc")
	case h.enc != encA256GCM:
		return h, unsupported("enc %.*q", shownText, h.enc)
	}
	return h, nil
}

// readParty returns PartyUInfo and PartyVInfo, each behind its length (RFC 7518
// section 4.6.2).
func readParty(o object) ([]byte, error) {
	var party []byte
	for _, name := range [...]string{"apu", "apv"} {
		part, err := o.appendBytes(nil, name)
		if err != nil {
			return nil, err
		}
		party = appendInfo(party, part)
	}
	return party, nil
}

// readRecipient appends the recipient of a header and its wrapped key, unless
// it is of an algorithm that is not taken: that may be for somebody else.
func readRecipient(to []keys.Wrapped, h *header, wrapped []byte) ([]keys.Wrapped, error) {
	alg, taken := algs[h.alg]
	if !taken {
		return to, nil
	}
	w := keys.Wrapped{Alg: alg, KID: readKID(h.kid), Ciphertext: wrapped}
	switch alg {
	case keys.AlgRSAOAEP256, keys.AlgRSAOAEP512:
		if len(wrapped) < minRSASize || len(wrapped) > maxRSASize {
			return to, malformed("the encrypted key has a wrong size")
		}
		return append(to, w), nil
	case keys.AlgECDHESA256KW:
		public, err := readEphemeral(h.epk)
		if err != nil || public == nil {
			return to, err
		}
		w.Ephemeral = append(public, h.party...)
	}
	if len(wrapped) != wrappedSize {
		return to, malformed("the encrypted key has a wrong size")
	}
	return append(to, w), nil
}

// readEphemeral returns the public key of the sender (RFC 8037 section 2); nil
// if it is of another curve.
func readEphemeral(epk object) ([]byte, error) {
	if epk == nil {
		return nil, malformed("no epk")
	}
	kty, err := epk.readText("kty")
	if err != nil {
		return nil, err
	}
	crv, err := epk.readText("crv")
	switch {
	case err != nil:
		return nil, err
	case epk.has("d"):
		return nil, malformed("epk is a private key")
	case kty != "OKP" || crv != "X25519":
		return nil, nil
	}
	public, err := epk.appendBytes(nil, "x")
	if err == nil && len(public) != x25519Size {
		err = malformed("epk has a wrong size")
	}
	return public, err
}

// readKID returns the id of a local key that a kid is; nil if it is none.
func readKID(kid string) []byte {
	if len(kid) != 2*exchange.KIDSize {
		return nil
	}
	id, err := hex.DecodeString(kid)
	if err != nil || hex.EncodeToString(id) != kid {
		return nil
	}
	return id
}
