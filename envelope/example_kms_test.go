package envelope_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// standIn is a key service in this process, in place of a remote one. For AWS
// KMS the two constructors take awskms.New(ctx, awskms.Options{Key:
// "alias/orders"}). A service of your own has these four methods.
type standIn struct {
	secret [keys.DEKSize]byte
	calls  int
}

func (s *standIn) Name() string { return "stand-in:orders" }

// Fits says which wrapped keys are this service's. The kid and the length are
// those that envelopes take of a local key.
func (s *standIn) Fits(w *keys.Wrapped) bool {
	return w.Alg == keys.AlgA256KW && string(w.KID) == "stand-in"
}

func (s *standIn) Wrap(_ context.Context, _ keys.Context, dek []byte) (keys.Wrapped, error) {
	s.calls++
	wrapped := append(s.mask(dek), make([]byte, 8)...)
	return keys.Wrapped{Alg: keys.AlgA256KW, KID: []byte("stand-in"), Ciphertext: wrapped}, nil
}

func (s *standIn) Unwrap(_ context.Context, _ keys.Context, dst []byte, w *keys.Wrapped) ([]byte, error) {
	s.calls++
	if !bytes.Equal(w.Ciphertext[keys.DEKSize:], make([]byte, 8)) {
		return dst, &keys.Error{Class: keys.BadWrap, Key: s.Name(), Op: "unwrap", Err: errors.New("not of this key")}
	}
	return append(dst, s.mask(w.Ciphertext[:keys.DEKSize])...), nil
}

// mask hides nothing: a real service encrypts.
func (s *standIn) mask(key []byte) []byte {
	out := make([]byte, len(key))
	for i := range key {
		out[i] = key[i] ^ s.secret[i]
	}
	return out
}

// A key service is called once for each data key and not for each message.
// Limits say how long a data key is in use.
func Example_keyService() {
	kms := &standIn{}
	rand.Read(kms.secret[:])
	sealer, err := envelope.NewSealer([]keys.Wrapper{kms}, envelope.SealerOptions{
		Context: "orders", // KMS binds the data key to it
		Limits:  kekcache.Limits{Age: 5 * time.Minute},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if err := sealer.Prepare(ctx); err != nil { // a wrong key is an error here and not later
		log.Fatal(err)
	}
	var sealed [][]byte
	for i := range 100 {
		e, err := sealer.Seal(ctx, nil, fmt.Appendf(nil, "order %d", i), envelope.Binding{})
		if err != nil {
			log.Fatal(err)
		}
		sealed = append(sealed, e)
	}
	fmt.Println(kms.calls, "call for", len(sealed), "messages")

	opener, err := envelope.NewOpener([]keys.Unwrapper{kms}, envelope.OpenerOptions{Context: "orders"})
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range sealed {
		if _, err := opener.Open(ctx, nil, e, envelope.Binding{}); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(kms.calls, "calls after opening them")
	// Output:
	// 1 call for 100 messages
	// 2 calls after opening them
}
