// Package keys describes key services. A key service wraps a data encryption
// key (DEK) under a key encryption key (KEK) and unwraps it again. One folder
// below this one holds one kind of service.
//
// The package knows neither messages nor envelopes: a [Wrapped] is the content
// of an envelope's recipient in neutral form, and its layout is not decided
// here. It holds no policy either: kekcache decides when a service is called,
// and again; keys/guard how often, for how long, and not while the service is
// away.
package keys

import "context"

// DEKSize is the size of a data encryption key in bytes (AES-256).
const DEKSize = 32

// Algorithms that protect a DEK: COSE algorithm numbers (RFC 9053, RFC 8230),
// and private ones below -65536 where COSE has none. docs/envelope.md has the
// table.
const (
	AlgA256KW       int64 = -5  // AES key wrap (RFC 3394) under an AES-256 KEK
	AlgECDHESA256KW int64 = -31 // ephemeral-static X25519, HKDF-SHA-256, AES key wrap
	AlgRSAOAEP256   int64 = -41 // RSAES-OAEP with SHA-256
	AlgRSAOAEP512   int64 = -42 // RSAES-OAEP with SHA-512
	AlgAWSKMS       int64 = -1935867908
	AlgMLKEM        int64 = -1935867909 // MLKEM768-X25519
	AlgVault        int64 = -1935867913 // Vault transit
	AlgGCPKMS       int64 = -1935867914 // Google Cloud KMS
)

// Vouches tells whether a DEK that was unwrapped from a recipient of this kind
// is surely of a program that may use the KEK. A public key proves nothing:
// anybody who has it can wrap (docs/envelope.md, section 19).
func Vouches(alg int64) bool {
	switch alg {
	case AlgA256KW, AlgAWSKMS, AlgVault, AlgGCPKMS:
		return true
	}
	return false
}

// Context is the key context of a route. Services that can (AWS KMS) bind the
// wrapping to it.
type Context struct {
	Name  string            // the route's name; may be empty
	Pairs map[string]string // the user's own pairs
}

// Wrapped is a DEK wrapped for one recipient.
type Wrapped struct {
	Alg        int64
	KID        []byte // which KEK, in the form its kind prescribes
	Ephemeral  []byte // the ephemeral public key; AlgECDHESA256KW only
	Ciphertext []byte // the wrapped DEK
}

// Wrapper wraps a DEK. An encryptor needs no more; a public key is enough for
// it.
type Wrapper interface {
	// Name names the KEK in logs and errors ("local:3f9a0c…"). It never shows
	// key material. Two KEKs with one name are one KEK.
	Name() string
	// Fits tells, by alg and kid alone and without using the key, whether w was
	// wrapped for the key that Wrap wraps for now.
	Fits(w *Wrapped) bool
	// Wrap wraps dek (DEKSize bytes) and keeps no reference to it.
	Wrap(ctx context.Context, kc Context, dek []byte) (Wrapped, error)
}

// Unwrapper unwraps a DEK. A decryptor needs it.
type Unwrapper interface {
	Name() string
	// Fits says by alg and kid alone, without using the key, whether w was
	// wrapped for this KEK.
	Fits(w *Wrapped) bool
	// Unwrap appends the DEK to dst. Its errors are *Error.
	Unwrap(ctx context.Context, kc Context, dst []byte, w *Wrapped) ([]byte, error)
}

// Local is an Unwrapper that asks nobody. A caller need not limit how often it
// is tried in vain.
type Local interface {
	Unwrapper
	// IsLocal is a mark and does nothing.
	IsLocal()
}

// Generator is a Wrapper with a service that generates DEKs itself (AWS KMS
// GenerateDataKey). Where none of the configured KEKs is one, the DEK is
// generated in this process.
type Generator interface {
	Wrapper
	// Generate returns a DEK that was never used before, appended to dst, and
	// its wrapping.
	Generate(ctx context.Context, kc Context, dst []byte) ([]byte, Wrapped, error)
}

// Rewrapper is a Wrapper with a service that moves a wrapped DEK under its own
// KEK without showing the DEK to this process (AWS KMS ReEncrypt).
type Rewrapper interface {
	Wrapper
	// CanRewrap says, without calling the service, whether Rewrap takes wrapped
	// keys that from unwraps.
	CanRewrap(from Unwrapper) bool
	// Rewrap returns the wrapping of w's DEK under this KEK. from is the
	// configured KEK that fits w: which key opens w is never taken from w
	// alone. Its errors are *Error.
	Rewrap(ctx context.Context, kc Context, from Unwrapper, w *Wrapped) (Wrapped, error)
}

// Prober is a KEK with a service that can tell whether it would wrap, without
// doing so.
type Prober interface {
	Name() string
	// Probe returns nil if the service would generate a DEK, or wrap one. Its
	// errors are *Error.
	Probe(ctx context.Context, kc Context, generate bool) error
}
