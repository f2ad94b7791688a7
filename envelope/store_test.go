package envelope_test

import (
	"context"
	"sync"

	"github.com/streamcrypt/streamcrypt/docs/vectors"
	"github.com/streamcrypt/streamcrypt/envelope"
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

// vectorStore has the records of one vector, each under the kid that its commitment gives.
type vectorStore []vectors.Hex

func (s vectorStore) Put(context.Context, [kekcache.KIDSize]byte, []byte) error { return nil }

func (s vectorStore) Get(_ context.Context, kid [kekcache.KIDSize]byte) (records [][]byte, err error) {
	for _, record := range s {
		commitment, _, err := envelope.Records{}.Decode(record)
		if err == nil && kid == [kekcache.KIDSize]byte(commitment[:]) {
			records = append(records, record)
		}
	}
	return records, nil
}
