package keycheck

import (
	"encoding/hex"
	"slices"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// maxSigners is how many signers are told apart.
const maxSigners = 1000

// addSigner notes who has signed a data key. A signature by one of the signers
// that are trusted is verified, whether the key unwraps or not.
func (c *Checker) addSigner(n *need, s *kekcache.Sealed) {
	if len(s.Signature) == 0 {
		return
	}
	signature := cms.ReadSignature(s.Signature)
	row := c.signerOf(signature.KID)
	if row == nil || slices.Contains(n.signers, row) {
		return
	}
	n.signers = append(n.signers, row)
	row.DataKeys++
	message := cms.AppendSealerInput(nil, s.Commitment, c.context.Name, signature.From, signature.Until)
	for _, trusted := range c.o.Signers {
		if trusted.KID() == signature.KID && trusted.Verify(message, signature.Bytes[:]) {
			row.Verified++
			return
		}
	}
}

// signerOf returns the row of a signer; nil if there is no room for another.
func (c *Checker) signerOf(kid [keys.SignerKIDSize]byte) *Signer {
	name := hex.EncodeToString(kid[:])
	i := slices.IndexFunc(c.signers, func(s *Signer) bool { return s.KID == name })
	switch {
	case i >= 0:
		return c.signers[i]
	case len(c.signers) >= maxSigners:
		return nil
	}
	row := &Signer{KID: name}
	c.signers = append(c.signers, row)
	return row
}
