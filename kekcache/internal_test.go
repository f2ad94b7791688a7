package kekcache

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/keys"
)

// plainKEK wraps nothing: it is for tests that look inside.
type plainKEK struct{}

func (plainKEK) Name() string            { return "plain" }
func (plainKEK) IsLocal()                {}
func (plainKEK) Fits(*keys.Wrapped) bool { return true }
func (plainKEK) Wrap(_ context.Context, _ keys.Context, dek []byte) (keys.Wrapped, error) {
	return keys.Wrapped{Ciphertext: append([]byte(nil), dek...)}, nil
}
func (plainKEK) Unwrap(_ context.Context, _ keys.Context, dst []byte, w *keys.Wrapped) ([]byte, error) {
	return append(dst, w.Ciphertext...), nil
}

// plainCodec takes what is encoded for one wrapped key.
type plainCodec struct{ Codec }

func (plainCodec) ParseRecipients(encoded []byte) ([]keys.Wrapped, int, error) {
	return []keys.Wrapped{{Ciphertext: encoded}}, 1, nil
}

// TestClocks: of the two clocks, the one by which more time has passed counts.
// One stands still while a machine sleeps, the other is set back.
func TestClocks(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct{ monotonic, wall, want time.Duration }{
		"both go":             {time.Minute, time.Minute, time.Minute},
		"the machine slept":   {time.Minute, time.Hour, time.Hour},
		"the clock went back": {time.Minute, -time.Hour, time.Minute},
	} {
		w := &window{born: now.Add(-test.monotonic), bornWall: now.Add(-test.wall).Round(0), limits: Limits{Age: 10 * time.Minute}}
		if age := w.age(now); age != test.want {
			t.Errorf("%s: age %s, want %s", name, age, test.want)
		}
		if live := w.isLive(now); live != (test.want < 10*time.Minute) {
			t.Errorf("%s: live %v", name, live)
		}
	}
}

// TestPace: as many windows are fetched ahead as are used up while one is made
// and Run waits for a processor.
func TestPace(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		made, lasts time.Duration
		want        int
	}{
		{0, 0, 1}, {time.Second, 0, 1}, {5 * ms, time.Hour, 1}, {5 * ms, 56 * ms, 1}, {5 * ms, 55 * ms, 2}, {5 * ms, 15 * ms, 4},
		{time.Second, 500 * ms, 3}, {time.Hour, ms, 8},
		// Made by who takes, without Run.
		{quickly, ms, 1}, {ms / 4, ms / 10, 3}, {quickly, time.Nanosecond, 8}, {0, time.Nanosecond, 1},
	} {
		if got := (&pace{made: test.made, lasts: test.lasts}).countAhead(); got != test.want {
			t.Errorf("made in %s, used in %s: %d ahead, want %d", test.made, test.lasts, got, test.want)
		}
	}
}

// TestReserveAtOnce: what is reserved by many at the same time is what there
// was, to the last.
func TestReserveAtOnce(t *testing.T) {
	const holders, limit = 4, 100_000
	w := newWindow(&Key{born: time.Now()}, Limits{Age: time.Hour, Messages: limit, Bytes: 2 * limit}, maxSeals-1)
	seals := w.seals.Load()
	var messages atomic.Uint64
	start := make(chan struct{})
	var wg sync.WaitGroup
	for range holders {
		wg.Go(func() {
			<-start
			for {
				b, short := w.reserveBlock(1, 1)
				if short != "" {
					return
				}
				b.messages--
				w.returnBlock(b)
				messages.Add(1)
			}
		})
	}
	close(start)
	wg.Wait()
	if messages.Load() != limit || w.bytes.Load() != 2*limit || w.seals.Load() != seals {
		t.Errorf("%d messages; %d bytes and %d seals left", messages.Load(), w.bytes.Load(), w.seals.Load())
	}
}

// TestDatesWithinTheSignature: a message is not dated outside the signature of
// its key, though the wall clock was set.
func TestDatesWithinTheSignature(t *testing.T) {
	signed, unsigned := &Key{Signature: []byte{1}, From: 100, until: 160}, &Key{From: 100}
	for now, want := range map[uint32]uint32{40: 100, 99: 100, 100: 100, 130: 130, 160: 160, 161: 160, 3000: 160} {
		if got := signed.date(now); got != want {
			t.Errorf("at %d it is dated %d, want %d", now, got, want)
		}
		if got := unsigned.date(now); got != now {
			t.Errorf("unsigned: at %d it is dated %d", now, got)
		}
	}
}

// TestMachineSlept: a jump of the wall clock ends a window, with Run at its
// next tick.
func TestMachineSlept(t *testing.T) {
	for name, running := range map[string]bool{"without Run": false, "with Run": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := NewSealKeys(SealKeysOptions{Codec: plainCodec{}, Limits: Limits{Age: time.Hour}})
				if err != nil {
					t.Fatal(err)
				}
				keks, err := NewKEKs([]keys.Wrapper{plainKEK{}})
				if err != nil {
					t.Fatal(err)
				}
				supply, err := c.Supply(Purpose{KEKs: keks})
				if err != nil {
					t.Fatal(err)
				}
				h := supply.NewQuota()
				g, err := h.Take(t.Context(), 1, 1)
				if err != nil {
					t.Fatal(err)
				}
				old := g.Key
				w := supply.entry.windows.current.Load()
				w.bornWall = w.bornWall.Add(-time.Hour)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if running {
					go c.Run(ctx)
					synctest.Wait()
				}
				if g, err = h.Take(t.Context(), 1, 1); err != nil || g.Key == old {
					t.Errorf("the old key, %v", err)
				}
			})
		})
	}
}

// TestKeyLeavesNothingBehind: when a DEK leaves the cache, by number, by age or
// by Reload, its bytes are cleared, and its cipher goes.
func TestKeyLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := NewOpenKeys(OpenKeysOptions{Unwrappers: []keys.Unwrapper{plainKEK{}}, Codec: plainCodec{}, MaxKeys: 3, MaxAge: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		var kept []*dek
		ask := func(number byte) {
			t.Helper()
			key := [chunker.KeySize]byte{number, 1}
			commitment := chunker.Commitment(&key)
			_, err := c.Unwrap(t.Context(), "", &Sealed{Commitment: commitment[:], Recipients: key[:]})
			if err != nil {
				t.Fatal(err)
			}
			pair := unwrapPair{kek: plainKEK{}, wrapped: &keys.Wrapped{Ciphertext: key[:]}}
			d, ok := c.deks.get(pair.source())
			if !ok || d.key != key {
				t.Fatalf("key %d is not kept", number)
			}
			kept = append(kept, d)
		}
		left := func(want int) {
			t.Helper()
			there := map[*dek]bool{}
			for _, d := range kept {
				if d.key != [chunker.KeySize]byte{} {
					there[d] = true
				}
			}
			if len(there) != want || len(c.deks.entries) != want || c.deks.order.Len() != want || len(c.ciphers.entries) != want {
				t.Errorf("%d keys, %d entries, %d ciphers are left, want %d", len(there), len(c.deks.entries), len(c.ciphers.entries), want)
			}
		}
		for number := range byte(10) {
			ask(number)
			left(min(int(number)+1, 3))
		}
		ask(7)
		ask(10) // pushes out 8, not 7
		left(3)
		before := len(kept)
		ask(7)
		if kept[before] != kept[before-2] {
			t.Error("what was used last was pushed out")
		}
		time.Sleep(time.Minute)
		ask(11) // nobody asks for the old ones
		left(1)
		if err := c.Reload([]keys.Unwrapper{plainKEK{}}); err != nil {
			t.Fatal(err)
		}
		left(0)
	})
}

// TestEvictedLeavesNothingBehind: Purposes that come and go leave nothing that
// waits for a Run, though none runs.
func TestEvictedLeavesNothingBehind(t *testing.T) {
	c, err := NewSealKeys(SealKeysOptions{Codec: plainCodec{}, MaxPurposes: 2})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		keks, err := NewKEKs([]keys.Wrapper{plainKEK{}})
		if err != nil {
			t.Fatal(err)
		}
		supply, err := c.Supply(Purpose{KEKs: keks})
		if err != nil {
			t.Fatal(err)
		}
		c.requests.addEntry(supply.entry) // as after a key that was slow to make
		supply.Close()
	}
	if n := len(c.requests.pending); n > 2 || len(c.set.entries) != 2 || len(c.set.idle.entries) != 2 {
		t.Errorf("%d requests, %d entries, %d idle", n, len(c.set.entries), len(c.set.idle.entries))
	}
}

// TestRequests: an entry is served by one at a time, and again if it was asked
// for meanwhile.
func TestRequests(t *testing.T) {
	r := newRequests()
	a, b := &sealEntry{}, &sealEntry{}
	signalled := func() bool {
		select {
		case <-r.signal:
			return true
		default:
			return false
		}
	}
	r.addEntry(a)
	r.addEntry(a)
	if got := r.takeAll(); !signalled() || len(got) != 1 || got[0] != a {
		t.Errorf("took %d, want one", len(got))
	}
	r.addEntry(a)
	r.addEntry(b)
	if got := r.takeAll(); !signalled() || len(got) != 1 || got[0] != b {
		t.Errorf("took %d, want the other one", len(got))
	}
	r.finishEntry(b)
	if signalled() {
		t.Error("nobody asked for the other one again")
	}
	r.finishEntry(a)
	if got := r.takeAll(); !signalled() || len(got) != 1 || got[0] != a {
		t.Errorf("took %d, want the first one again", len(got))
	}
	r.addEntry(a)
	r.dropEntry(a)
	r.finishEntry(a)
	if got := r.takeAll(); len(got) != 0 {
		t.Error("one that was dropped is served")
	}
}

// TestRefusalsAreBounded: a flood of forged envelopes takes no more memory than
// is set aside for it.
func TestRefusalsAreBounded(t *testing.T) {
	c, err := NewOpenKeys(OpenKeysOptions{Unwrappers: []keys.Unwrapper{plainKEK{}}, Codec: plainCodec{}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint32(3 * keptRefusals) {
		name := binary.BigEndian.AppendUint32(nil, n)
		s := &Sealed{Commitment: make([]byte, chunker.CommitmentSize), Recipients: name}
		if _, err := c.Unwrap(t.Context(), "", s); !errors.Is(err, ErrUnknownKey) {
			t.Fatal(err)
		}
	}
	if n := len(c.refusals.entries); n != keptRefusals || len(c.deks.entries) != 0 || c.loads.countActive() != 0 {
		t.Errorf("%d refusals, %d keys, %d loads", n, len(c.deks.entries), c.loads.countActive())
	}
}

// TestMemoryPerKey: the default number of keys takes no more than what is said
// about it.
func TestMemoryPerKey(t *testing.T) {
	c, err := NewOpenKeys(OpenKeysOptions{Unwrappers: []keys.Unwrapper{plainKEK{}}, Codec: plainCodec{}})
	if err != nil {
		t.Fatal(err)
	}
	before := heap()
	for n := range uint32(100_000) {
		from := source{}
		binary.BigEndian.PutUint32(from.name[:], n)
		c.deks.put(from, &dek{})
	}
	if used := heap() - before; used > 40<<20 {
		t.Errorf("100,000 keys take %d MiB", used>>20)
	}
	runtime.KeepAlive(c)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestStateString(t *testing.T) {
	for s, want := range map[State]string{Normal: "normal", Degraded: "degraded", Restricted: "restricted", 7: "unknown", -1: "unknown"} {
		if s.String() != want {
			t.Errorf("%d is %q", s, s)
		}
	}
}
