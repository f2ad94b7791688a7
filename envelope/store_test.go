package envelope_test

import (
	"context"
	"sync"

	"github.com/streamcrypt/streamcrypt/kekcache"
)

// memoryStore is a key store in memory.
type memoryStore struct {
	mu      sync.Mutex
	records map[[kekcache.KIDSize]byte][][]byte
}

func newMemoryStore() *memoryStore {
	return &memoryStore{records: map[[kekcache.KIDSize]byte][][]byte{}}
}

func (s *memoryStore) Put(_ context.Context, kid [kekcache.KIDSize]byte, record []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[kid] = append(s.records[kid], record)
	return nil
}

func (s *memoryStore) Get(_ context.Context, kid [kekcache.KIDSize]byte) ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[kid], nil
}
