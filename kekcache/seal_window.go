package kekcache

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// window is a DEK and what may still be sealed under it.
type window struct {
	key      *Key
	messages atomic.Uint64 // left
	bytes    atomic.Uint64
	seals    atomic.Uint64
	born     time.Time // the key's, with the monotonic clock
	bornWall time.Time // the same by the wall clock alone
	entered  time.Time // when it became current; set before that
	limits   Limits
	soft     softLimits
	ended    atomic.Bool
	asked    atomic.Bool // the next one has been asked for
}

// softLimits is where the next window is asked for: at this age, when no more than this is left, or when what is left will
// not last for this long.
type softLimits struct {
	age                    time.Duration
	messages, bytes, seals uint64
	lasts                  time.Duration
}

// headStart is how long before a window is used up the next one is asked for at the latest, by age or at the pace so far: long
// enough for a key service that is called twice because the first call timed out.
const headStart = 5 * time.Second

func newWindow(key *Key, o *SealKeysOptions) *window {
	w := &window{key: key, born: key.born, bornWall: key.born.Round(0), limits: o.Limits}
	w.messages.Store(o.Limits.Messages)
	w.bytes.Store(o.Limits.Bytes)
	w.seals.Store(o.maxSeals())
	// 75 to 90 % of the way, by chance, so that a fleet does not ask its key service at one moment; of a short age earlier, so
	// that there is time for it before Run ends the window.
	left := 0.10 + 0.15*rand.Float64()
	lasts := min(headStart, o.Limits.Age/4)
	w.soft = softLimits{
		age:      min(time.Duration(float64(o.Limits.Age)*(1-left)), o.Limits.Age-lasts-3*o.Limits.tick()),
		messages: uint64(float64(o.Limits.Messages) * left),
		bytes:    uint64(float64(o.Limits.Bytes) * left),
		seals:    uint64(float64(o.maxSeals()) * left),
		lasts:    lasts,
	}
	return w
}

// age is the greater of what the monotonic and the wall clock say: one stands still while a machine
// sleeps, the other can be set back.
func (w *window) age(now time.Time) time.Duration {
	return max(now.Sub(w.born), now.Round(0).Sub(w.bornWall))
}

// live says that the window may be sealed under, as far as its age goes.
func (w *window) live(now time.Time) bool { return !w.ended.Load() && w.age(now) < w.limits.Age }

// low says that the next window should be asked for because little is left of this one, or because it will not last. lasts is how
// long all of it will last at the pace so far; 0 if that is not known or long enough not to matter.
func (w *window) low(now time.Time, o *SealKeysOptions) (low bool, lasts time.Duration) {
	age := now.Sub(w.entered)
	for _, l := range [...]struct{ left, all, soft uint64 }{
		{w.messages.Load(), o.Limits.Messages, w.soft.messages},
		{w.bytes.Load(), o.Limits.Bytes, w.soft.bytes},
		{w.seals.Load(), o.maxSeals(), w.soft.seals},
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

// block is a reserved part of a window. It belongs to one holder.
type block struct{ messages, bytes, seals uint64 }

// holds says that one message of so many bytes and seals fits.
func (b *block) holds(bytes, seals uint64) bool {
	return b.messages > 0 && b.bytes >= bytes && b.seals >= seals
}

// reserve takes a block that holds at least one message of the given size. If it fails nothing is lost, and short says which
// limit it was.
func (w *window) reserve(bytes, seals uint64) (b block, short string) {
	var ok bool
	if b.messages, ok = take(&w.messages, min(w.limits.Messages/256, 1024), 1); !ok {
		return block{}, whyMessages
	}
	if b.bytes, ok = take(&w.bytes, min(w.limits.Bytes/256, 64<<20), bytes); !ok {
		w.giveBack(b)
		return block{}, whyBytes
	}
	if b.seals, ok = take(&w.seals, 4096, seals); !ok {
		w.giveBack(b)
		return block{}, whySeals
	}
	return b, ""
}

// giveBack returns what was not used of a block.
func (w *window) giveBack(b block) {
	w.messages.Add(b.messages)
	w.bytes.Add(b.bytes)
	w.seals.Add(b.seals)
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
