package kekcache

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
)

// window is a DEK and what may still be sealed under it.
type window struct {
	key      *Key
	messages atomic.Uint64 // left
	bytes    atomic.Uint64
	seals    atomic.Uint64
	born     time.Time // before the DEK was asked for; with the monotonic clock
	limits   Window
	soft     softLimits
	ended    atomic.Bool
	asked    atomic.Bool // the next one has been asked for
}

// softLimits is where the next window is asked for: how much is left then.
type softLimits struct {
	age             time.Duration
	messages, bytes uint64
}

func newWindow(key *Key, born time.Time, limits Window, nonces chunker.Nonces) *window {
	w := &window{key: key, born: born, limits: limits}
	w.messages.Store(limits.Messages)
	w.bytes.Store(limits.Bytes)
	w.seals.Store(maxSeals)
	if nonces == chunker.Random {
		w.seals.Store(maxSealsRandom)
	}
	// 75 to 90 % of the way, by chance, so that a fleet does not ask its key service at one moment.
	left := 0.10 + 0.15*rand.Float64() //nolint:gosec // jitter, not a secret
	w.soft = softLimits{
		age:      time.Duration(float64(limits.Age) * (1 - left)),
		messages: uint64(float64(limits.Messages) * left),
		bytes:    uint64(float64(limits.Bytes) * left),
	}
	return w
}

// age is the greater of what the monotonic and the wall clock say: one stands still while a machine
// sleeps, the other can be set back.
func (w *window) age(now time.Time) time.Duration {
	return max(now.Sub(w.born), now.Round(0).Sub(w.born.Round(0)))
}

// take takes want from left, or what there is if that is at least least.
func take(left *atomic.Uint64, want, least uint64) (got uint64, ok bool) {
	for {
		n := left.Load()
		if n < least {
			return 0, false
		}
		got = min(n, max(want, least))
		if left.CompareAndSwap(n, n-got) {
			return got, true
		}
	}
}

// block is a reserved part of a window. It belongs to one holder.
type block struct{ messages, bytes, seals uint64 }

// reserve takes a block that holds at least one message of the given size. Nothing is lost when it fails.
func (w *window) reserve(bytes, seals uint64) (b block, ok bool) {
	if b.messages, ok = take(&w.messages, min(w.limits.Messages/256, 1024), 1); !ok {
		return block{}, false
	}
	if b.bytes, ok = take(&w.bytes, min(w.limits.Bytes/256, 64<<20), bytes); !ok {
		w.messages.Add(b.messages)
		return block{}, false
	}
	if b.seals, ok = take(&w.seals, 4096, seals); !ok {
		w.messages.Add(b.messages)
		w.bytes.Add(b.bytes)
		return block{}, false
	}
	return b, true
}

// low says that the next window should be asked for.
func (w *window) low() bool {
	return w.messages.Load() <= w.soft.messages || w.bytes.Load() <= w.soft.bytes || w.seals.Load() < maxSealsRandom/8
}
