package envelope

import (
	"errors"
	"unsafe"
)

// ErrOverlap says that the input of Seal, Open or Rewrap lies in the memory
// that is about to be written behind dst, and does not begin exactly there.
var ErrOverlap = errors.New("envelope: input and output overlap, and do not begin at the same byte")

// areApart says that two slices are surely not of one array. It is all that
// most calls need.
func areApart(dst, input []byte) bool {
	d, i := startOf(dst), startOf(input)
	return i >= d+uintptr(cap(dst)) || d >= i+uintptr(len(input))
}

// overlaps says how input lies to the next size bytes that are appended to dst.
// exact: it begins where dst ends. The error is ErrOverlap for any other
// overlap.
func overlaps(dst, input []byte, size int) (exact bool, err error) {
	out := dst[len(dst):min(cap(dst), len(dst)+size)]
	switch {
	case areApart(out[:len(out):len(out)], input):
		return false, nil
	case startOf(out) == startOf(input):
		return true, nil
	}
	return false, ErrOverlap
}

// startOf returns where a slice begins, to be compared and nothing else.
func startOf(b []byte) uintptr {
	return uintptr(unsafe.Pointer(unsafe.SliceData(b))) //nolint:gosec // compared only; crypto/cipher does the same
}
