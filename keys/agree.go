package keys

// Agreement is the outcome of a key agreement between an ephemeral and a static
// key, as a format other than the envelope's derives a key of it. Its slices
// are lent.
type Agreement struct {
	Secret    []byte // shared by both sides; never of zeros alone
	Ephemeral []byte // the public key of the sender
	Recipient []byte // the static public key
	// Party is the information of the message about both sides that goes into
	// the derivation, in the encoding of its format; nil if there is none.
	Party []byte
}

// Derivation returns the key that wraps a DEK, DEKSize bytes. It keeps no
// reference to the Agreement.
type Derivation func(a *Agreement) ([]byte, error)
