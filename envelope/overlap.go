package envelope

import (
	"errors"
	"unsafe"
)

// ErrOverlap says that the input of Seal, Open or Rewrap lies in the memory that
// is about to be written behind dst, and does not begin exactly there.
var ErrOverlap = errors.New("envelope: input and output overlap, and do not begin at the same byte")

// overlaps says how input lies to the next size bytes that are appended to dst.
// exact: it begins where dst ends. The error is ErrOverlap for any other overlap.
func overlaps(dst, input []byte, size int) (exact bool, err error) {
	out := dst[len(dst):min(cap(dst), len(dst)+size)]
	if len(out) == 0 || len(input) == 0 {
		return false, nil
	}
	first, last := address(out, 0), address(out, len(out)-1)
	switch {
	case address(input, 0) > last, address(input, len(input)-1) < first:
		return false, nil
	case address(input, 0) == first:
		return true, nil
	}
	return false, ErrOverlap
}

// address returns where a byte lies, to be compared and nothing else.
func address(b []byte, i int) uintptr {
	return uintptr(unsafe.Pointer(&b[i])) //nolint:gosec // an address is compared; crypto/cipher does the same
}
