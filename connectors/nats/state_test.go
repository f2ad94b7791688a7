package nats

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// stores are the kinds of StateStore; the second call opens the same one as
// another process would.
func stores(t *testing.T) map[string]func(b *broker) StateStore {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gate.state")
	return map[string]func(b *broker) StateStore{
		"a bucket": func(b *broker) StateStore {
			store, err := OpenBucketState(b.t.Context(), b.connect(), "elsewhere")
			if err != nil {
				b.t.Fatal(err)
			}
			return store
		},
		"a file": func(*broker) StateStore { return NewFileState(path) },
	}
}

// commitState commits the first messages of a lane with a state of the Gate.
func commitState(t *testing.T, v *serving, messages int, state string) {
	t.Helper()
	if err := v.lane.Commit(t.Context(), &pipeline.Progress{Messages: messages, Places: []pipeline.Position{
		{Place: "ORDERS", Next: int64(messages) + 1, Last: int64(messages), State: []byte(state)},
	}}); err != nil {
		t.Fatal(err)
	}
}

// TestStateElsewhere: the state is stored there before the server forgets a
// message, the next owner begins with it, and the lease's entry has none.
func TestStateElsewhere(t *testing.T) {
	t.Parallel()
	for name, open := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, nil)
			b.stream("ORDERS", nil)
			b.fill("ORDERS", 10, 0)
			o := SourceOptions{Stream: "ORDERS", Consumer: "enc", AckWait: time.Hour, Sealed: true, HasGate: true, State: open(b)}
			s := b.source(b.connect(), o)
			v := serve(t, s)
			v.read(10)
			commitState(t, v, 7, "state of a gate")
			store := open(b)
			eventually(t, "acknowledged", func() bool {
				floor := b.consumer("ORDERS", "enc").AckFloor.Stream
				text, err := store.LoadState(t.Context(), s.stateName())
				if err != nil {
					t.Fatal(err)
				}
				if floor > 0 && text == nil {
					t.Fatal("acknowledged before the state was stored")
				}
				return floor == 7
			})
			v.leave(nil)
			kv, err := b.plain().KeyValue(t.Context(), DefaultLeaseBucket)
			if err != nil {
				t.Fatal(err)
			}
			entry, err := kv.Get(t.Context(), "lease.ORDERS.enc")
			if err != nil || parseLease(entry.Value()).Position != nil {
				t.Fatalf("the lease has a position, too: %s, %v", entry.Value(), err)
			}
			o.State = store
			v = serve(t, b.source(b.connect(), o))
			got := v.lane.Start()
			if len(got) != 1 || got[0].Next != 8 || got[0].Last != 7 || string(got[0].State) != "state of a gate" {
				t.Fatalf("begins at %+v", got)
			}
			v.leave(nil)
		})
	}
}

// brokenStore loads nothing and stores nothing while it is broken.
type brokenStore struct {
	StateStore
	broken chan struct{} // closed when it is mended
}

func (s *brokenStore) SaveState(ctx context.Context, name string, state []byte) error {
	select {
	case <-s.broken:
		return s.StateStore.SaveState(ctx, name, state)
	default:
		return errors.New("it is broken")
	}
}

// TestStateNotStored: nothing is acknowledged as long as the state cannot be
// stored.
func TestStateNotStored(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 0)
	var logs lockedBuffer
	store := &brokenStore{NewFileState(filepath.Join(t.TempDir(), "state")), make(chan struct{})}
	v := serve(t, b.source(b.connect(), SourceOptions{
		Stream: "ORDERS", Consumer: "enc", AckWait: time.Hour, Sealed: true, HasGate: true, State: store,
		Log: slog.New(slog.NewTextHandler(&logs, nil)),
	}))
	v.read(10)
	commitState(t, v, 7, "state of a gate")
	eventually(t, "said", func() bool { return strings.Contains(logs.String(), "cannot be stored") })
	if floor := b.consumer("ORDERS", "enc").AckFloor.Stream; floor != 0 {
		t.Fatalf("acknowledged up to %d without a state", floor)
	}
	l := v.lane.(*lane)
	l.mu.Lock()
	for sequence, d := range l.held {
		if held := d.msg.Data != nil; held == d.done || d.done != (sequence <= 7) {
			t.Errorf("message %d: committed %v, and its content is held: %v", sequence, d.done, held)
		}
	}
	l.mu.Unlock()
	close(store.broken)
	eventually(t, "acknowledged", func() bool { return b.consumer("ORDERS", "enc").AckFloor.Stream == 7 })
	v.leave(nil)
}

// TestStateTaken: a state that another process has written is not overwritten,
// and ends the lane.
func TestStateTaken(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 0)
	open := stores(t)["a bucket"]
	s := b.source(b.connect(), SourceOptions{
		Stream: "ORDERS", Consumer: "enc", AckWait: time.Hour, Sealed: true, HasGate: true, State: open(b),
	})
	v := serve(t, s)
	v.read(10)
	commitState(t, v, 3, "state")
	eventually(t, "acknowledged", func() bool { return b.consumer("ORDERS", "enc").AckFloor.Stream == 3 })
	other := open(b)
	if _, err := other.LoadState(t.Context(), s.stateName()); err != nil {
		t.Fatal(err)
	}
	if err := other.SaveState(t.Context(), s.stateName(), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	commitState(t, v, 2, "older state")
	if _, err := v.lane.Read(t.Context(), readLimit); !errors.Is(err, pipeline.ErrLost) {
		t.Fatalf("goes on beside another process: %v", err)
	}
	if text, err := other.LoadState(t.Context(), s.stateName()); err != nil || string(text) != "{}" {
		t.Fatalf("overwritten: %s, %v", text, err)
	}
	v.leave(nil)
}

// TestStateAnswerLost: the bucket has stored an entry, and its answer was lost.
func TestStateAnswerLost(t *testing.T) {
	t.Parallel()
	b := startBroker(t, nil)
	store, err := OpenBucketState(t.Context(), b.connect(), "elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "second"} {
		before := store.revision
		for range 2 {
			if err := store.SaveState(t.Context(), "a", []byte(text)); err != nil {
				t.Fatal(err)
			}
			after := store.revision
			store.revision = before // as if no answer had come
			if err := store.SaveState(t.Context(), "a", []byte("another")); !errors.Is(err, ErrStateTaken) {
				t.Errorf("an entry of another process is overwritten: %v", err)
			}
			if store.revision = before; after == before {
				t.Error("the entry has the revision of the one before")
			}
		}
		if err := store.SaveState(t.Context(), "a", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStateOfOwnerOnly: a process that has lost its lease stores no state any
// more. A file cannot tell that another process has written it since.
func TestStateOfOwnerOnly(t *testing.T) {
	t.Parallel()
	store := NewFileState(filepath.Join(t.TempDir(), "state"))
	for until, stored := range map[time.Duration]bool{-time.Second: false, time.Hour: true} {
		e := &lease{store: store, stateName: "a", until: time.Now().Add(until), elsewhere: &savedPosition{Next: 3}, unsaved: 1}
		if err := e.saveElsewhere(t.Context()); err != nil || e.isSaved(1) != stored {
			t.Errorf("owner until %v from now: stored %v, %v", until, e.isSaved(1), err)
		}
		if text, err := store.LoadState(t.Context(), "a"); err != nil || (text != nil) != stored {
			t.Errorf("owner until %v from now: %q, %v", until, text, err)
		}
		_ = os.Remove(store.path)
	}
}

// TestStateLost: an owner that finds no state although messages were
// acknowledged says so; one that finds it, or begins, does not.
func TestStateLost(t *testing.T) {
	t.Parallel()
	const said = "the state of the replay check is lost"
	b := startBroker(t, nil)
	b.stream("ORDERS", nil)
	b.fill("ORDERS", 10, 0)
	begin := func(sealed bool) (*serving, *lockedBuffer) {
		logs := &lockedBuffer{}
		return serve(t, b.source(b.connect(), SourceOptions{
			Stream: "ORDERS", Consumer: "enc", AckWait: time.Hour, Sealed: true, HasGate: sealed,
			Log: slog.New(slog.NewTextHandler(logs, nil)),
		})), logs
	}
	v, logs := begin(true)
	v.read(10)
	commitState(t, v, 7, "state of a gate")
	eventually(t, "acknowledged", func() bool { return b.consumer("ORDERS", "enc").AckFloor.Stream == 7 })
	v.leave(nil)
	first := logs.String()
	v, logs = begin(true)
	v.leave(nil)
	if strings.Contains(first+logs.String(), said) {
		t.Error("said to be lost, and it is there")
	}
	if err := b.plain().DeleteKeyValue(t.Context(), DefaultLeaseBucket); err != nil {
		t.Fatal(err)
	}
	v, logs = begin(true)
	v.leave(nil)
	if !strings.Contains(logs.String(), said) || !strings.Contains(logs.String(), "acknowledged=7") {
		t.Errorf("not said: %s", logs.String())
	}
	if err := b.plain().DeleteKeyValue(t.Context(), DefaultLeaseBucket); err != nil {
		t.Fatal(err)
	}
	v, logs = begin(false)
	v.leave(nil)
	if strings.Contains(logs.String(), said) {
		t.Error("a route that seals has no replay check")
	}
}

// TestStateFile: a file that cannot be read, or is of another stream, is left
// as it is.
func TestStateFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	f := NewFileState(path)
	if text, err := f.LoadState(t.Context(), "a"); err != nil || text != nil {
		t.Fatalf("%q, %v", text, err)
	}
	if err := f.SaveState(t.Context(), "a", []byte(`{"next":3}`)); err != nil {
		t.Fatal(err)
	}
	if text, err := f.LoadState(t.Context(), "a"); err != nil || string(text) != `{"next":3}` {
		t.Fatalf("%q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := f.LoadState(t.Context(), "b"); !errors.Is(err, ErrStateUnread) {
		t.Errorf("of another stream: %v", err)
	}
	for _, bad := range [][]byte{nil, []byte("x"), []byte("[]"), bytes.Repeat([]byte(" "), maxStateFile+1)} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := f.LoadState(t.Context(), "a"); !errors.Is(err, ErrStateUnread) {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
	if all, err := os.ReadDir(filepath.Dir(path)); err != nil || len(all) != 1 {
		t.Errorf("left behind: %v, %v", all, err)
	}
}
