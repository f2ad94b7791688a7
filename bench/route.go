package main

import (
	"context"
	"sync"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
	"github.com/streamcrypt/streamcrypt/keystore/keystoretest"
)

// The targets are for this binding: a context of 10 bytes and a record key of
// 9.
const (
	routeName = "orders-enc"
	recordKey = "order-117"
)

// profiles are the two ways in which an envelope knows its key.
var profiles = []string{"ref", "self"}

// route is both sides of one route under a local AES KEK, with its keys renewed
// in the background as in production.
type route struct {
	kek     *local.AES
	sealer  *envelope.Sealer
	opener  *envelope.Opener
	running sync.WaitGroup
	stop    context.CancelFunc
}

func newRoute(ctx context.Context, profile string) (*route, error) {
	kek, err := newKEK()
	if err != nil {
		return nil, err
	}
	var store kekcache.Store
	if profile == "ref" {
		store = new(keystoretest.Memory)
	}
	r := &route{kek: kek}
	r.sealer, err = envelope.NewSealer([]keys.Wrapper{kek}, envelope.SealerOptions{Context: routeName, Store: store})
	if err != nil {
		return nil, err
	}
	r.opener, err = envelope.NewOpener([]keys.Unwrapper{kek}, envelope.OpenerOptions{Context: routeName, Store: store})
	if err != nil {
		return nil, err
	}
	ctx, r.stop = context.WithCancel(ctx)
	r.running.Go(func() { r.sealer.Run(ctx) })
	return r, nil
}

func newKEK() (*local.AES, error) {
	file, err := local.GenerateAES()
	if err != nil {
		return nil, err
	}
	return local.ParseAES(file)
}

// stopRenewal ends the renewal and waits for it.
func (r *route) stopRenewal() {
	r.stop()
	r.running.Wait()
}
