package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

const (
	// handOverLimit is the most by which the hand-over to another data key may
	// raise the 99th percentile of sealing, in milliseconds.
	handOverLimit = 1
	// keptKeys is the number of unwrapped data keys in a cache, and keptLimit
	// the most memory that they may take, in MiB.
	keptKeys  = 100_000
	keptLimit = 64
	// keyWorkers is the number of workers that want all of these keys at the
	// same time.
	keyWorkers = 8
)

// measureKeys measures the cost of data keys for sealing and opening: their
// hand-over, their memory, and how often a service is called.
func measureKeys(ctx context.Context, budget time.Duration) ([]Figure, error) {
	var figures []Figure
	workers := runtime.GOMAXPROCS(0)
	for _, h := range []handOver{
		{name: "local KEK, 1,000 messages a key", window: 1000, workers: workers},
		{
			name: "service of 5 ms, 100,000 messages a key", window: 100_000,
			latency: 5 * time.Millisecond, workers: workers,
		},
	} {
		f, err := h.compareLaps(ctx, budget)
		if err != nil {
			return nil, err
		}
		figures = append(figures, f...)
	}
	kept, err := measureKept(ctx)
	return append(figures, kept...), err
}

// service is a KEK that takes its time and counts its calls.
type service struct {
	kek
	latency        time.Duration
	wraps, unwraps atomic.Int64
}

// kek is both sides of a local KEK.
type kek interface {
	keys.Wrapper
	keys.Unwrapper
}

func newService(latency time.Duration) (*service, error) {
	k, err := newKEK()
	return &service{kek: k, latency: latency}, err
}

func (s *service) Name() string { return "service" }

func (s *service) Wrap(ctx context.Context, kc keys.Context, dek []byte) (keys.Wrapped, error) {
	s.wraps.Add(1)
	if s.latency > 0 {
		time.Sleep(s.latency)
	}
	return s.kek.Wrap(ctx, kc, dek)
}

func (s *service) Unwrap(ctx context.Context, kc keys.Context, dst []byte, w *keys.Wrapped) ([]byte, error) {
	s.unwraps.Add(1)
	return s.kek.Unwrap(ctx, kc, dst, w)
}

// handOver compares sealing with short key windows to sealing under one key.
type handOver struct {
	name    string
	window  uint64 // messages
	latency time.Duration
	workers int
}

// latencies are the times that single messages took, in milliseconds, sorted.
type latencies []float64

func (l latencies) findPercentile(share float64) float64 {
	return l[min(len(l)-1, int(share*float64(len(l))))]
}

// keyLap has the results of one lap.
type keyLap struct {
	all   latencies
	first latencies // of the first message of each worker under each key
	waits uint64    // calls that waited, the first of all not counted
	keys  int64
}

func (h *handOver) compareLaps(ctx context.Context, budget time.Duration) ([]Figure, error) {
	const messages = 500_000
	var raised, base, firsts []float64
	var waits, made float64
	for end := time.Now().Add(budget); len(raised) < minRounds || time.Now().Before(end); {
		without, err := h.runLap(ctx, messages, 0)
		if err != nil {
			return nil, err
		}
		with, err := h.runLap(ctx, messages, h.window)
		if err != nil {
			return nil, err
		}
		raised = append(raised, with.all.findPercentile(0.99)-without.all.findPercentile(0.99))
		base = append(base, without.all.findPercentile(0.99))
		firsts = append(firsts, with.first.findPercentile(0.99))
		waits += float64(with.waits)
		made += float64(with.keys)
	}
	p99, before, first := middleOf(raised), middleOf(base), middleOf(firsts)
	return []Figure{
		{
			Part: "keys", Name: h.name + ": p99 of sealing raised by",
			Value: p99.median, Unit: "ms", Limit: newLimit(handOverLimit), Spread: p99.makeSpread(),
			Beside: map[string]float64{
				"p99 under one key ms": before.median, "p99 of first messages ms": first.median,
				"rounds": float64(len(raised)),
			},
			Note: fmt.Sprintf("%.4f to %.4f; %.4f under one key; of the first message under each key %.4f",
				p99.low, p99.high, before.median, first.median),
		},
		{
			Part: "keys", Name: h.name + ": waits for a key", Value: waits / made, Unit: "a key",
			Note: fmt.Sprintf("%.0f of %d workers' calls at %.0f keys", waits, h.workers, made),
		},
	}, nil
}

// runLap seals messages of 1 KiB as fast as possible, in windows of the given
// number of messages; 0: under one key.
func (h *handOver) runLap(ctx context.Context, messages int, window uint64) (*keyLap, error) {
	kek, err := newService(h.latency)
	if err != nil {
		return nil, err
	}
	keks, err := kekcache.NewKEKs([]keys.Wrapper{kek})
	if err != nil {
		return nil, err
	}
	sealing, err := envelope.NewSealKeys(kekcache.SealKeysOptions{Limits: kekcache.Limits{Messages: window}})
	if err != nil {
		return nil, err
	}
	supply, err := sealing.Supply(kekcache.Purpose{KEKs: keks})
	if err != nil {
		return nil, err
	}
	defer supply.Close()
	if err := supply.Prepare(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running, sealers sync.WaitGroup
	running.Go(func() { sealing.Run(ctx) })
	shares, errs := make([]keyLap, h.workers), make([]error, h.workers)
	for i := range shares {
		sealers.Go(func() { errs[i] = shares[i].sealMessages(ctx, supply.NewQuota(), messages/h.workers) })
	}
	sealers.Wait()
	cancel()
	running.Wait()
	sum := &keyLap{waits: sealing.Status().Waits - 1, keys: kek.wraps.Load()}
	for i := range shares {
		sum.all, sum.first = append(sum.all, shares[i].all...), append(sum.first, shares[i].first...)
	}
	slices.Sort(sum.all)
	slices.Sort(sum.first)
	return sum, errors.Join(errs...)
}

// sealMessages does the work of one worker.
func (l *keyLap) sealMessages(ctx context.Context, quota *kekcache.Quota, n int) error {
	payload, dst := make([]byte, messageBytes), make([]byte, 0, messageBytes+chunker.Overhead)
	l.all = make(latencies, 0, n)
	var key *kekcache.Key
	for range n {
		begin := time.Now()
		grant, err := quota.Take(ctx, messageBytes, 1)
		if err == nil {
			_, err = grant.Sealer.Seal(dst, nil, payload, nil)
		}
		if err != nil {
			return err
		}
		took := float64(time.Since(begin)) / float64(time.Millisecond)
		l.all = append(l.all, took)
		if grant.Key != key {
			key = grant.Key
			l.first = append(l.first, took)
		}
	}
	return nil
}

// measureKept fills a cache with unwrapped keys. Several workers want all of
// the keys.
func measureKept(ctx context.Context) ([]Figure, error) {
	kek, err := newService(0)
	if err != nil {
		return nil, err
	}
	wrapped, err := wrappedKeys(ctx, kek)
	if err != nil {
		return nil, err
	}
	opener, err := envelope.NewOpener([]keys.Unwrapper{kek}, envelope.OpenerOptions{MaxKeys: keptKeys})
	if err != nil {
		return nil, err
	}
	before := heapInUse()
	var workers sync.WaitGroup
	errs := make([]error, keyWorkers)
	for i := range errs {
		workers.Go(func() {
			o := opener.NewWorker()
			for _, e := range wrapped {
				if _, _, err := o.Open(ctx, nil, e, nil); err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	workers.Wait()
	used := heapInUse() - before
	runtime.KeepAlive(opener)
	runtime.KeepAlive(wrapped)
	return []Figure{
		{
			Part: "keys", Name: "100,000 unwrapped keys",
			Value: used / (1 << 20), Unit: "MiB", Limit: newLimit(keptLimit),
			Note: fmt.Sprintf("of heap after a collection; %.0f B a key", used/keptKeys),
		},
		{
			Part: "keys", Name: "unwraps of each, 8 workers",
			Value: float64(kek.unwraps.Load()) / keptKeys, Unit: "x", Limit: newLimit(1),
			Note: fmt.Sprintf("%d calls", kek.unwraps.Load()),
		},
	}, errors.Join(errs...)
}

// wrappedKeys returns envelopes of nothing, each under a key of its own.
func wrappedKeys(ctx context.Context, kek keys.Wrapper) ([][]byte, error) {
	sealer, err := envelope.NewSealer([]keys.Wrapper{kek}, envelope.SealerOptions{Limits: kekcache.Limits{Messages: 1}})
	if err != nil {
		return nil, err
	}
	all := make([][]byte, keptKeys)
	for i := range all {
		if all[i], err = sealer.Seal(ctx, nil, nil, envelope.Binding{}); err != nil {
			return nil, err
		}
		all[i] = slices.Clip(all[i])
	}
	return all, nil
}

// heapInUse returns the size of the reachable heap, in bytes.
func heapInUse() float64 {
	runtime.GC()
	runtime.GC() // frees memory that finalizers and pools kept
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
