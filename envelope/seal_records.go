package envelope

import (
	"context"
	"errors"
	"sync"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// keptRecords is how many key records a Sealer keeps: those of windows whose
// messages may not have been written yet.
const keptRecords = 256

// keyRecords are the key records of the last data keys.
type keyRecords struct {
	mu    sync.Mutex
	byKID map[[cms.KIDSize]byte][]byte
	order [][cms.KIDSize]byte
}

func (r *keyRecords) keep(key *kekcache.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kid := key.KID()
	if r.byKID == nil {
		r.byKID = map[[cms.KIDSize]byte][]byte{}
	}
	if _, there := r.byKID[kid]; there {
		return
	}
	if len(r.order) == keptRecords {
		delete(r.byKID, r.order[0])
		r.order = append(r.order[:0], r.order[1:]...)
	}
	r.byKID[kid] = key.Record
	r.order = append(r.order, kid)
}

// FindKeyRecord returns the key record of the data key of an envelope by
// reference that s has sealed lately, for a file that is to be opened without a
// store, and the name of the record. ok is false for any other envelope.
func (s *Sealer) FindKeyRecord(e []byte) (kid [cms.KIDSize]byte, record []byte, ok bool) {
	var h cms.Header
	if _, ok := cms.ParseHead(e, &h); !ok || !h.ByReference {
		return kid, nil, false
	}
	kid = [cms.KIDSize]byte(h.KID)
	s.records.mu.Lock()
	defer s.records.mu.Unlock()
	record, ok = s.records.byKID[kid]
	return kid, record, ok
}

var errNoDictionary = errors.New("envelope: there is no dictionary")

// DictionaryRecord seals the dictionary under the current data key, for a file
// or a store (docs/envelope.md, section 8).
func (s *Sealer) DictionaryRecord(ctx context.Context) ([]byte, error) {
	d := s.options.Coding.Dictionary
	if d == nil {
		return nil, errNoDictionary
	}
	grant, err := s.supply.NewQuota().Take(ctx, uint64(len(d.Bytes())), 1)
	if err != nil {
		return nil, refuse(err)
	}
	return sealRecord(grant.Key, grant.Sealer, s.options.KeyContext, DictionaryRecord, grant.Created, d.Bytes())
}

// StoreDictionary puts the dictionary into a store, which may be that of the
// key records, unless there is a record of it for all keys. Readers with that
// store need not be given the dictionary.
func (s *Sealer) StoreDictionary(ctx context.Context, store kekcache.Store) error {
	d := s.options.Coding.Dictionary
	if d == nil {
		return errNoDictionary
	}
	there, err := store.Get(ctx, d.Name())
	if err != nil {
		return err
	}
	record, err := s.DictionaryRecord(ctx)
	if err != nil {
		return err
	}
	for _, old := range there {
		if isForSameKeys(old, record) {
			return nil
		}
	}
	return store.Put(ctx, d.Name(), record)
}

// isForSameKeys tells whether two dictionary records have recipients for the
// same KEKs.
func isForSameKeys(a, b []byte) bool {
	return hasRecipientsOf(a, b) && hasRecipientsOf(b, a)
}

func hasRecipientsOf(record, of []byte) bool {
	var e, other cms.Envelope
	if cms.ParseRecord(record, DictionaryRecord, &e) != nil || cms.ParseRecord(of, DictionaryRecord, &other) != nil {
		return false
	}
	have, err := cms.ParseRecipients(e.Recipients, nil)
	if err != nil {
		return false
	}
	want, err := cms.ParseRecipients(other.Recipients, nil)
	if err != nil {
		return false
	}
	for i := range want {
		if !hasRecipient(have, &want[i]) {
			return false
		}
	}
	return true
}

func hasRecipient(all []cms.Recipient, r *cms.Recipient) bool {
	for i := range all {
		if all[i].Alg == r.Alg && string(all[i].KID) == string(r.KID) {
			return true
		}
	}
	return false
}
