package envelope

import (
	"fmt"

	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// CheckChunkSize returns an error if chunks cannot have a size of n bytes; 0
// stands for DefaultChunkSize.
func CheckChunkSize(n int64) error {
	if n != 0 && (n < cms.MinChunkSize || n > cms.MaxChunkSize) {
		return fmt.Errorf("chunk size of %d bytes: %d to %d are possible", n, cms.MinChunkSize, cms.MaxChunkSize)
	}
	return nil
}
