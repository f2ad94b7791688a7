package main

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"time"
)

// aadSizes are sizes of associated data that say how its cost grows: by 16
// bytes, by each byte beyond a multiple of 16, and not at all at 128, where
// Go's AES-GCM for amd64 begins to take eight blocks at once. An envelope by
// reference with a record key of 9 bytes has 95, a self-contained one 126; the
// first edition of the format had 87 and 118.
var aadSizes = []int{80, 87, 95, 96, 118, 126, 128}

// measureAAD measures how much associated data costs bare AES-256-GCM, which no
// envelope can spare.
func measureAAD(budget time.Duration) ([]Figure, error) {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		return nil, err
	}
	bare, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	var figures []Figure
	for direction, name := range directions {
		ops := []operation{sealOrOpen(bare, direction, 0)}
		for _, size := range aadSizes {
			ops = append(ops, sealOrOpen(bare, direction, size))
		}
		t, err := interleaveTurns(budget, ops...)
		if err != nil {
			return nil, err
		}
		for i, size := range aadSizes {
			cost := middleOf(t.subtractTimes(i+1, 0))
			figures = append(figures, Figure{
				Part: "aad", Name: fmt.Sprintf("bare %s 1 KiB, %d B associated data", name, size),
				Value: cost.median, Unit: "ns", Spread: cost.makeSpread(),
				Note: fmt.Sprintf("%.1f-%.1f more than without", cost.low, cost.high),
			})
		}
	}
	return figures, nil
}

// sealOrOpen seals or opens 1 KiB with associated data of a size.
func sealOrOpen(bare cipher.AEAD, direction, size int) operation {
	payload, aad, dst := make([]byte, messageBytes), make([]byte, size), make([]byte, 0, 2*messageBytes)
	var nonce [12]byte
	sealed := bare.Seal(nil, nonce[:], payload, aad)
	return func(n int) error {
		for range n {
			if direction == 0 {
				bare.Seal(dst, nonce[:], payload, aad)
			} else if _, err := bare.Open(dst, nonce[:], sealed, aad); err != nil {
				return err
			}
		}
		return nil
	}
}
