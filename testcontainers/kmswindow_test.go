package testcontainers

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/awskms"
)

// kmsWindows seals in windows of 100,000 messages: as fast as three workers
// can, which uses up a window in less time than an emulator on this machine may
// take for a call, and at a rate that leaves it the time.
func kmsWindows(a *account) {
	a.Run("at full speed", func(t *testing.T) { kmsWindowsAt(newAccount(t, a.emulator), 0) })
	a.Run("paced", func(t *testing.T) { kmsWindowsAt(newAccount(t, a.emulator), 200_000) })
}

// kmsWindowsAt seals so many messages a second, if rate is not 0.
func kmsWindowsAt(a *account, rate int) {
	const window, total, workers = 100_000, 600_000, 3
	p := newProxy(a.T, a.endpoint)
	kek := a.through(p).key(awskms.Options{Key: a.symmetric()})
	cache, err := envelope.NewSealer([]keys.Wrapper{kek}, envelope.SealerOptions{
		Context: kc.Name, Pairs: kc.Pairs, Limits: kekcache.Limits{Messages: window},
	})
	if err != nil {
		a.Fatal(err)
	}
	defer runCache(a.ctx, cache)()
	if err := cache.Prepare(a.ctx); err != nil {
		a.Fatal(err)
	}
	began := time.Now()
	shares := make([]map[[chunker.CommitmentSize]byte]int, workers)
	var wg sync.WaitGroup
	for i := range workers {
		shares[i] = map[[chunker.CommitmentSize]byte]int{}
		wg.Go(func() { seal(a, cache, total/workers, rate/workers, shares[i]) })
	}
	wg.Wait()
	took := time.Since(began)

	sealed, most := map[[chunker.CommitmentSize]byte]int{}, 0
	for _, share := range shares {
		for dek, n := range share {
			sealed[dek] += n
			most = max(most, sealed[dek])
		}
	}
	calls, waits := len(p.of("GenerateDataKey")), cache.Status().Waits
	a.Logf("%d messages by %d workers in %s: %d data keys, at most %d messages each; %d GenerateDataKey; %d waits after the first",
		total, workers, took.Round(time.Millisecond), len(sealed), most, calls, waits-1)
	if most > window {
		a.Errorf("%d messages under one data key", most)
	}
	ahead := 1
	if rate == 0 {
		ahead = 8 // kekcache makes as many keys ahead as may be used up while one is made
	}
	if calls < len(sealed) || calls > len(sealed)+ahead {
		a.Errorf("%d calls for %d windows", calls, len(sealed))
	}
	if rate != 0 && waits != 1 {
		a.Errorf("%d waited beside the first", waits-1)
	}
}

// seal seals n messages, so many a second if rate is not 0, and counts them by
// data key.
func seal(a *account, cache *envelope.Sealer, n, rate int, count map[[chunker.CommitmentSize]byte]int) {
	s := cache.NewWorker()
	began := time.Now()
	plain, dst := make([]byte, 100), []byte(nil)
	var e cms.Envelope
	for i := range n {
		if rate != 0 && i%1000 == 0 {
			time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		}
		var err error
		dst, err = s.Seal(a.ctx, dst[:0], plain, nil, &envelope.Position{Source: [5]byte{1}, Offset: uint64(i)})
		if err == nil {
			err = cms.Parse(dst, &e)
		}
		if err != nil {
			a.Error(err)
			return
		}
		count[[chunker.CommitmentSize]byte(e.Commitment)]++
	}
}

// runCache runs a cache until stop is called.
func runCache(ctx context.Context, cache *envelope.Sealer) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); cache.Run(ctx) }()
	return func() {
		cancel()
		<-ended
	}
}
