package envelope_test

import (
	"context"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/docs/vectors"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// vectorStore has the records of one vector by their names.
type vectorStore map[[kekcache.KIDSize]byte][][]byte

// newVectorStore returns a store with key records under the kid of an envelope,
// good ones and others, and with dictionary records.
func newVectorStore(e []byte, records []vectors.Hex, dictionaries []vectors.Stored) vectorStore {
	s := vectorStore{}
	var h cms.Header
	if _, ok := cms.ParseHead(e, &h); ok && h.ByReference {
		for _, record := range records {
			s.add(h.KID, record)
		}
	}
	for _, d := range dictionaries {
		s.add(d.Name, d.Bytes)
	}
	return s
}

func (s vectorStore) add(name, record []byte) {
	s[[kekcache.KIDSize]byte(name)] = append(s[[kekcache.KIDSize]byte(name)], record)
}

func (s vectorStore) Put(context.Context, [kekcache.KIDSize]byte, []byte) error { return nil }

func (s vectorStore) Get(_ context.Context, kid [kekcache.KIDSize]byte) (records [][]byte, err error) {
	return s[kid], nil
}

func (s vectorStore) Each(_ context.Context, do func([kekcache.KIDSize]byte) error) error {
	for name := range s {
		if err := do(name); err != nil {
			return err
		}
	}
	return nil
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
