package keys

// SignerKIDSize is the size of the id of a signing key in bytes.
const SignerKIDSize = 8

// SignatureSize is the size of a signature in bytes (Ed25519, RFC 8032).
const SignatureSize = 64

// Signer signs data keys for a sealer (docs/envelope.md, section 17).
type Signer interface {
	// Name names the key in logs and errors. It never shows key material.
	Name() string
	// KID is the id of the key: of SHA-256 over the DER of its public half.
	KID() [SignerKIDSize]byte
	// Sign returns the signature of a message, SignatureSize bytes.
	Sign(message []byte) ([]byte, error)
}

// Verifier is the public half of a Signer. It is safe for concurrent use.
type Verifier interface {
	Name() string
	KID() [SignerKIDSize]byte
	// Verify tells whether the signature of a message is that of the Signer.
	Verify(message, signature []byte) bool
}
