package envelope_test

import (
	"context"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/docs/vectors"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// vectorStore has the records of one vector, each under the kid that its
// commitment gives.
type vectorStore []vectors.Hex

func (s vectorStore) Put(context.Context, [kekcache.KIDSize]byte, []byte) error { return nil }

func (s vectorStore) Get(_ context.Context, kid [kekcache.KIDSize]byte) (records [][]byte, err error) {
	for _, record := range s {
		var e cms.Envelope
		if cms.ParseKeyRecord(record, &e) == nil && kid == [kekcache.KIDSize]byte(e.Commitment) {
			records = append(records, record)
		}
	}
	return records, nil
}

func (s vectorStore) Each(context.Context, func([kekcache.KIDSize]byte) error) error {
	panic("not used here")
}

func putRecord(t testing.TB, s kekcache.Store, kid [kekcache.KIDSize]byte, record []byte) {
	t.Helper()
	if err := s.Put(t.Context(), kid, record); err != nil {
		t.Fatal(err)
	}
}

func getRecords(t testing.TB, s kekcache.Store, kid [kekcache.KIDSize]byte) [][]byte {
	t.Helper()
	records, err := s.Get(t.Context(), kid)
	if err != nil {
		t.Fatal(err)
	}
	return records
}
