// Package keystoretest holds the checks that every key store passes, and a
// store in memory for the tests of those that use one.
//
// The package must not know how a store keeps its records.
package keystoretest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/streamcrypt/streamcrypt/kekcache"
)

// Test checks a kind of store. open returns a new, empty one.
func Test(t *testing.T, open func(t *testing.T) kekcache.Store) {
	t.Run("order of records", func(t *testing.T) { testOrder(t, open(t)) })
	t.Run("writers at once", func(t *testing.T) { testWriters(t, open(t)) })
	t.Run("each kid", func(t *testing.T) { testEach(t, open(t)) })
	t.Run("each ends early", func(t *testing.T) { testEachEnds(t, open(t)) })
}

// kidOf returns the n-th of the kids that the checks use.
func kidOf(n int) (kid [kekcache.KIDSize]byte) {
	binary.BigEndian.PutUint32(kid[:], uint32(n))
	kid[kekcache.KIDSize-1] = 0xff
	return kid
}

func putRecords(t *testing.T, s kekcache.Store, kid [kekcache.KIDSize]byte, records ...string) {
	t.Helper()
	for _, record := range records {
		if err := s.Put(t.Context(), kid, []byte(record)); err != nil {
			t.Fatal(err)
		}
	}
}

func wantRecords(t *testing.T, s kekcache.Store, kid [kekcache.KIDSize]byte, records ...string) {
	t.Helper()
	got, err := s.Get(t.Context(), kid)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%q", got); text != fmt.Sprintf("%q", records) {
		t.Errorf("got %s, want %q", text, records)
	}
}

// testOrder: records come back in the order in which they were put, each once.
func testOrder(t *testing.T, s kekcache.Store) {
	wantRecords(t, s, kidOf(1))
	putRecords(t, s, kidOf(1), "first")
	wantRecords(t, s, kidOf(1), "first")
	wantRecords(t, s, kidOf(2))
	putRecords(t, s, kidOf(2), "of another")
	putRecords(t, s, kidOf(1), "second", "third", "first", "third")
	wantRecords(t, s, kidOf(1), "first", "second", "third")
	wantRecords(t, s, kidOf(2), "of another")
}

// testWriters: of several writers for one kid none replaces another's record.
func testWriters(t *testing.T, s kekcache.Store) {
	const writers = 8
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			for i := range 4 {
				record := fmt.Appendf(nil, "record %d", (n+i)%writers)
				if err := s.Put(t.Context(), kidOf(1), record); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	records, err := s.Get(t.Context(), kidOf(1))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, record := range records {
		if !bytes.HasPrefix(record, []byte("record ")) || seen[string(record)] {
			t.Errorf("%q twice or torn", record)
		}
		seen[string(record)] = true
	}
	if len(records) != writers {
		t.Errorf("%d records, want %d", len(records), writers)
	}
}

// testEach: every kid comes once, however many records it has, also when
// records are put meanwhile.
func testEach(t *testing.T, s kekcache.Store) {
	const kids = 100
	for n := range kids {
		putRecords(t, s, kidOf(n), "record")
	}
	seen := map[[kekcache.KIDSize]byte]int{}
	err := s.Each(t.Context(), func(kid [kekcache.KIDSize]byte) error {
		seen[kid]++
		if len(seen) <= 10 {
			putRecords(t, s, kid, "another")
		}
		return nil
	})
	if err != nil || len(seen) != kids {
		t.Fatalf("%d kids, %v", len(seen), err)
	}
	for kid, times := range seen {
		if times != 1 {
			t.Errorf("%x came %d times", kid, times)
		}
	}
}

// testEachEnds: Each ends with the error of do, and with its context.
func testEachEnds(t *testing.T, s kekcache.Store) {
	enough := errors.New("enough")
	stop := func([kekcache.KIDSize]byte) error { return enough }
	if err := s.Each(t.Context(), stop); err != nil {
		t.Errorf("an empty store: %v", err)
	}
	putRecords(t, s, kidOf(1), "record")
	if err := s.Each(t.Context(), stop); !errors.Is(err, enough) {
		t.Errorf("got %v, want do's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	called := false
	err := s.Each(ctx, func([kekcache.KIDSize]byte) error { called = true; return nil })
	if !errors.Is(err, context.Canceled) || called {
		t.Errorf("after its context: %v, called %v", err, called)
	}
}

// Memory is a key store in memory. It is safe for concurrent use, and its zero
// value is empty.
type Memory struct {
	mu      sync.Mutex
	records map[[kekcache.KIDSize]byte][][]byte
}

var _ kekcache.Store = (*Memory)(nil)

// Put implements kekcache.Store.
func (m *Memory) Put(_ context.Context, kid [kekcache.KIDSize]byte, record []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records == nil {
		m.records = map[[kekcache.KIDSize]byte][][]byte{}
	}
	for _, old := range m.records[kid] {
		if bytes.Equal(old, record) {
			return nil
		}
	}
	m.records[kid] = append(m.records[kid], bytes.Clone(record))
	return nil
}

// Get implements kekcache.Store.
func (m *Memory) Get(_ context.Context, kid [kekcache.KIDSize]byte) ([][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.records[kid], nil
}

// Each implements kekcache.Store.
func (m *Memory) Each(ctx context.Context, do func(kid [kekcache.KIDSize]byte) error) error {
	for _, kid := range m.KIDs() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := do(kid); err != nil {
			return err
		}
	}
	return nil
}

// KIDs returns the kids that have a record now, in no order.
func (m *Memory) KIDs() [][kekcache.KIDSize]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	kids := make([][kekcache.KIDSize]byte, 0, len(m.records))
	for kid := range m.records {
		kids = append(kids, kid)
	}
	return kids
}
