package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// The shape of the measurement: so many messages, of which so many are sealed
// under one data key, and opened by so many workers each.
const (
	signedMessages = 20_000
	signedWindow   = 1000
	signedWorkers  = 4
)

// notary is a signing key that counts its uses.
type notary struct {
	*local.Ed25519
	signed, verified atomic.Int64
}

func (n *notary) Sign(message []byte) ([]byte, error) {
	n.signed.Add(1)
	return n.Ed25519.Sign(message)
}

func (n *notary) Verify(message, signature []byte) bool {
	n.verified.Add(1)
	return n.Ed25519.Verify(message, signature)
}

func newNotary() (*notary, error) {
	file, err := local.GenerateEd25519()
	if err != nil {
		return nil, err
	}
	key, err := local.ParseEd25519(file)
	return &notary{Ed25519: key}, err
}

// measureSigning counts signatures and their verifications.
func measureSigning(ctx context.Context) ([]Figure, error) {
	n, err := newNotary()
	if err != nil {
		return nil, err
	}
	kek, err := newKEK()
	if err != nil {
		return nil, err
	}
	counted := &service{kek: kek}
	sealed, err := n.sealSigned(ctx, counted)
	if err != nil {
		return nil, err
	}
	made, used := counted.wraps.Load(), countDataKeys(sealed)
	opener, err := envelope.NewOpener([]keys.Unwrapper{kek},
		envelope.OpenerOptions{Context: routeName, Signers: []keys.Verifier{n}})
	if err != nil {
		return nil, err
	}
	var failed atomic.Pointer[error]
	var workers sync.WaitGroup
	for range signedWorkers {
		workers.Go(func() {
			w := opener.NewWorker()
			for _, e := range sealed {
				if _, _, err := w.Open(ctx, nil, e, nil); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	workers.Wait()
	if err := failed.Load(); err != nil {
		return nil, *err
	}
	note := fmt.Sprintf("%d messages, %d data keys made and %d used, opened by %d workers at once",
		signedMessages, made, used, signedWorkers)
	return []Figure{
		{
			Part: "signing", Name: "signatures", Value: float64(n.signed.Load()) / float64(made),
			Unit: "a data key", Limit: newLimit(1), Note: note,
		},
		{
			Part: "signing", Name: "verifications", Value: float64(n.verified.Load()) / float64(used),
			Unit: "a data key", Limit: newLimit(1), Note: note,
		},
	}, nil
}

// sealSigned seals messages in windows of signedWindow.
func (n *notary) sealSigned(ctx context.Context, kek keys.Wrapper) (sealed [][]byte, err error) {
	sealer, err := envelope.NewSealer([]keys.Wrapper{kek}, envelope.SealerOptions{
		Context: routeName, Signer: n, Limits: kekcache.Limits{Messages: signedWindow},
	})
	if err != nil {
		return nil, err
	}
	w := sealer.NewWorker()
	for range signedMessages {
		e, err := w.Seal(ctx, nil, []byte(recordKey), nil, nil)
		if err != nil {
			return nil, err
		}
		sealed = append(sealed, e)
	}
	return sealed, nil
}

// countDataKeys counts the data keys of self-contained envelopes.
func countDataKeys(sealed [][]byte) int {
	seen := map[string]bool{}
	for _, b := range sealed {
		var e cms.Envelope
		if err := cms.Parse(b, &e); err == nil {
			seen[string(e.Commitment)] = true
		}
	}
	return len(seen)
}
