package kekcache

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// window is a DEK and how much may still be sealed under it.
type window struct {
	key      *Key
	messages atomic.Uint64 // left
	bytes    atomic.Uint64 // left, of payload
	seals    atomic.Uint64 // left
	born     time.Time     // the key's, with the monotonic clock
	bornWall time.Time     // the same by the wall clock alone
	entered  time.Time     // when it became current; set before that
	limits   Limits
	maxSeals uint64
	soft     softLimits
	ended    atomic.Bool // nothing more may be sealed under it
	asked    atomic.Bool // the next one has been asked for
}

// softLimits say when the next window is asked for: at this age, when no more
// than this is left, or when the rest will not last for this long.
type softLimits struct {
	age                    time.Duration
	messages, bytes, seals uint64
	lasts                  time.Duration
}

// headStart is how long before a window is used up the next one is asked for at
// the latest, by age or at the pace so far: long enough for a key service that
// is called twice because the first call timed out.
const headStart = 5 * time.Second

func newWindow(key *Key, limits Limits, seals uint64) *window {
	w := &window{key: key, born: key.born, bornWall: key.born.Round(0), limits: limits, maxSeals: seals}
	w.messages.Store(limits.Messages)
	w.bytes.Store(limits.Bytes)
	w.seals.Store(seals)
	// 75 to 90 % of the way, by chance, so that a fleet does not ask its key
	// service at one moment; of a short age earlier, so that there is time for
	// it before Run ends the window.
	left := 0.10 + 0.15*rand.Float64()
	lasts := min(headStart, limits.Age/4)
	w.soft = softLimits{
		age:      min(time.Duration(float64(limits.Age)*(1-left)), limits.Age-lasts-3*limits.tickPeriod()),
		messages: uint64(float64(limits.Messages) * left),
		bytes:    uint64(float64(limits.Bytes) * left),
		seals:    uint64(float64(seals) * left),
		lasts:    lasts,
	}
	return w
}

// age is the greater of the ages by the monotonic and by the wall clock: one
// stands still while a machine sleeps, the other can be set back.
func (w *window) age(now time.Time) time.Duration {
	return max(now.Sub(w.born), now.Round(0).Sub(w.bornWall))
}

// isLive says that the window may be sealed under, as far as its age goes.
func (w *window) isLive(now time.Time) bool { return !w.ended.Load() && w.age(now) < w.limits.Age }

// isLow says that the next window should be asked for, because little of this
// one is left or because it will not last. lasts is how long all of it will
// last at the pace so far; 0 if that is not known or long enough not to matter.
func (w *window) isLow(now time.Time) (low bool, lasts time.Duration) {
	age := now.Sub(w.entered)
	for _, l := range [...]struct{ left, all, soft uint64 }{
		{w.messages.Load(), w.limits.Messages, w.soft.messages},
		{w.bytes.Load(), w.limits.Bytes, w.soft.bytes},
		{w.seals.Load(), w.maxSeals, w.soft.seals},
	} {
		used := l.all - l.left
		if used > l.all/16 { // the pace before that says little
			whole := float64(age) * float64(l.all) / float64(used)
			if whole-float64(age) < float64(w.soft.lasts) {
				low, lasts = true, time.Duration(whole)
			}
		}
		low = low || l.left <= l.soft
	}
	return low, lasts
}

// block is a reserved part of a window. It belongs to one Quota.
type block struct{ messages, bytes, seals uint64 }

// holds says that one message of so many bytes and seals fits.
func (b *block) holds(bytes, seals uint64) bool {
	return b.messages > 0 && b.bytes >= bytes && b.seals >= seals
}

// reserveBlock takes a block that holds at least one message of the given size.
// If it fails nothing is lost, and short says which limit it was.
func (w *window) reserveBlock(bytes, seals uint64) (b block, short string) {
	var ok bool
	if b.messages, ok = takeFrom(&w.messages, min(w.limits.Messages/256, 1024), 1); !ok {
		return block{}, whyMessages
	}
	if b.bytes, ok = takeFrom(&w.bytes, min(w.limits.Bytes/256, 64<<20), bytes); !ok {
		w.returnBlock(b)
		return block{}, whyBytes
	}
	if b.seals, ok = takeFrom(&w.seals, 4096, seals); !ok {
		w.returnBlock(b)
		return block{}, whySeals
	}
	return b, ""
}

// returnBlock gives back the unused part of a block.
func (w *window) returnBlock(b block) {
	w.messages.Add(b.messages)
	w.bytes.Add(b.bytes)
	w.seals.Add(b.seals)
}

// takeFrom takes want from left, or all there is if that is at least least.
func takeFrom(left *atomic.Uint64, want, least uint64) (got uint64, ok bool) {
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
