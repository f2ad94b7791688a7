// Package local implements the key encryption keys (KEKs) that this process
// holds itself, read from key files: an AES-256 key, an X25519 key and an RSA
// key.
//
// A KEK here is either able to wrap only (X25519Public, RSAPublic: an encryptor
// that cannot decrypt) or to do both (AES, X25519, RSA). All of them are
// immutable and safe for concurrent use. None of them can bind a wrapping to a
// [keys.Context], so they ignore it.
//
// The package opens no file, keeps no cache and knows no envelope: it is handed
// the content of a file and returns the wrapped key that an envelope's
// recipient carries. The caller names the file in its errors; an error made
// here names the kind of key, a length or a KEK's public id and never shows a
// byte of the file.
//
//	aes.go, x25519.go, rsa.go   the three kinds of KEK
//	ed25519.go                  signing keys
//	aeskw.go                    AES key wrap (RFC 3394)
//	file.go, jwk.go, pem.go     key files
//	id.go                       names of KEKs
package local
