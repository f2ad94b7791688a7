// Package keystoretest holds the checks that every key store passes, and a
// store in memory for the tests of those that use one.
//
// The package must not know how a store keeps its records.
package keystoretest

import (
	"bytes"
	"context"
	"sync"

	"github.com/streamcrypt/streamcrypt/kekcache"
)

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
