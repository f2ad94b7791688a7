package envelope

import "github.com/streamcrypt/streamcrypt/codec/cms"

// SealedHead is how many bytes of a value IsSealed needs to see.
const SealedHead = cms.SealedHead

// IsSealed tells whether a value begins like an envelope of this format, so
// that it is not sealed once more by mistake. It is cheap, verifies nothing,
// and looks at the first SealedHead bytes only.
func IsSealed(head []byte) bool { return cms.IsSealed(head) }
