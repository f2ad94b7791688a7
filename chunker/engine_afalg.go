//go:build afalg

package chunker

import (
	"crypto/cipher"
	"errors"

	"github.com/streamcrypt/streamcrypt/internal/kernelaead"
)

// errRandomNonces says that this build seals through the kernel, while random
// nonces are those of Go's module.
var errRandomNonces = errors.New("chunker: a build with the tag afalg has no random nonces")

// newEngine returns the kernel's cipher, or why the kernel does not take part:
// nothing else seals in this build.
func newEngine(key *[KeySize]byte) (cipher.AEAD, error) { return kernelaead.New(key[:]) }

func checkNonces(nonces Nonces) error {
	if nonces == Random {
		return errRandomNonces
	}
	return nil
}

// sealCounted seals under a nonce of the counter. Where the kernel fails, the
// error is not that of the message, and the nonce is spent.
func sealCounted(aead cipher.AEAD, dst, nonce, plaintext, aad []byte) ([]byte, error) {
	return aead.(*kernelaead.AEAD).TrySeal(dst, nonce, plaintext, aad)
}
