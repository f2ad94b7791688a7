package chunker

import "sync/atomic"

// DEK is a data key that is made in this process, to seal with. Its maker fills
// Bytes with KeySize random bytes that are used nowhere else, has them wrapped,
// makes the one SealingKey of it, and clears it. A key that was unwrapped or
// stored has no place here. It must not be copied.
type DEK struct {
	bytes [KeySize]byte
	spent atomic.Bool // vet finds copies by it
}

// Bytes returns the key itself, to be filled and to be wrapped. It is valid
// until Clear.
func (d *DEK) Bytes() []byte { return d.bytes[:] }

// NewSealingKey makes the sealing key. A second call returns ErrSpent: the
// nonces of another key of the same bytes could meet those of the first.
func (d *DEK) NewSealingKey(nonces Nonces) (*SealingKey, error) {
	if d.spent.Swap(true) {
		return nil, ErrSpent
	}
	return newSealingKey(&d.bytes, nonces)
}

// Clear overwrites the key.
func (d *DEK) Clear() { clear(d.bytes[:]) }
