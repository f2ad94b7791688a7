package local

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"slices"
)

// kwBlock is the size in bytes of the semiblocks that RFC 3394 works on; a
// wrapped key is one longer than the key.
const kwBlock = 8

// kwIV is the default initial value of RFC 3394 section 2.2.3.1: the integrity
// check compares with it.
var kwIV = [kwBlock]byte{0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6}

var errKWSize = errors.New("length is not a multiple of 8 bytes or too short")

// appendWrap appends key wrapped under the cipher b to dst (RFC 3394 section
// 2.2.1, index form). The key is 16 bytes or more, in multiples of 8; the
// wrapping is 8 bytes longer. The memory behind dst must not overlap key.
func appendWrap(dst []byte, b cipher.Block, key []byte) ([]byte, error) {
	if len(key) < 2*kwBlock || len(key)%kwBlock != 0 {
		return nil, errKWSize
	}
	start := len(dst)
	dst = append(dst, kwIV[:]...)
	dst = append(dst, key...)
	out := dst[start:]

	var block [2 * kwBlock]byte
	defer clear(block[:])
	check, rest := out[:kwBlock], out[kwBlock:]
	step := uint64(0)
	for range 6 {
		for i := 0; i < len(rest); i += kwBlock {
			step++
			copy(block[:kwBlock], check)
			copy(block[kwBlock:], rest[i:])
			b.Encrypt(block[:], block[:])
			xorStep(block[:kwBlock], step)
			copy(check, block[:kwBlock])
			copy(rest[i:], block[kwBlock:])
		}
	}
	return dst, nil
}

// appendUnwrap appends the key that wrapped holds to dst (RFC 3394 section
// 2.2.2, index form). If the integrity check fails, nothing of the result is
// left in the memory behind dst, which must not overlap wrapped.
func appendUnwrap(dst []byte, b cipher.Block, wrapped []byte) ([]byte, error) {
	if len(wrapped) < 3*kwBlock || len(wrapped)%kwBlock != 0 {
		return nil, errKWSize
	}
	start := len(dst)
	dst = append(slices.Grow(dst, len(wrapped)-kwBlock), wrapped[kwBlock:]...)
	key := dst[start:]

	var block [2 * kwBlock]byte
	defer clear(block[:])
	check := [kwBlock]byte(wrapped)
	step := uint64(6 * len(key) / kwBlock)
	for range 6 {
		for i := len(key) - kwBlock; i >= 0; i -= kwBlock {
			copy(block[:kwBlock], check[:])
			xorStep(block[:kwBlock], step)
			copy(block[kwBlock:], key[i:])
			b.Decrypt(block[:], block[:])
			copy(check[:], block[:kwBlock])
			copy(key[i:], block[kwBlock:])
			step--
		}
	}
	if subtle.ConstantTimeCompare(check[:], kwIV[:]) != 1 {
		clear(key)
		return nil, errIntegrity
	}
	return dst, nil
}

// xorStep mixes the step number into the check value, big-endian.
func xorStep(check []byte, step uint64) {
	binary.BigEndian.PutUint64(check, binary.BigEndian.Uint64(check)^step)
}
