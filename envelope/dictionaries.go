package envelope

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/codec/coding"
)

const (
	// maxDictionaries is how many dictionaries with one hint are tried, and how
	// many records of an archive are kept.
	maxDictionaries = 16
	// maxFound is how many dictionaries of records are kept.
	maxFound = 32
	// maxMissing and missingFor are how many hints are remembered of which no
	// record opens, and for how long.
	maxMissing = 1024
	missingFor = 5 * time.Second
)

type dictionaryHint = [coding.HintSize]byte

// dictionaries are the dictionaries of an Opener: those that it was given, and
// records in a store or an archive, which are opened when they are needed.
type dictionaries struct {
	opener *Opener
	known  atomic.Pointer[map[dictionaryHint][]*coding.Dictionary] // is replaced, not changed

	mu      sync.Mutex
	records [][]byte // of an archive, not opened yet

	turn    chan struct{} // is held by the one that opens records, and guards the rest
	found   []*coding.Dictionary
	missing map[dictionaryHint]time.Time // until when it is believed that no record opens
	worker  *OpenWorker                  // opens records; made when it is needed
}

func newDictionaries(o *Opener) *dictionaries {
	d := &dictionaries{opener: o, turn: make(chan struct{}, 1), missing: map[dictionaryHint]time.Time{}}
	d.publish()
	return d
}

// publish replaces known.
func (d *dictionaries) publish() {
	known := map[dictionaryHint][]*coding.Dictionary{}
	for _, dictionary := range slices.Concat(d.opener.o.Dictionaries, d.found) {
		hint := dictionary.Hint()
		same := func(h *coding.Dictionary) bool { return h.Sum() == dictionary.Sum() }
		if have := known[hint]; !slices.ContainsFunc(have, same) && len(have) < maxDictionaries {
			known[hint] = append(have, dictionary)
		}
	}
	d.known.Store(&known)
}

// KeepDictionaryRecord has a dictionary record of an archive be used for the
// messages behind it. It is opened when one of them needs it. It keeps a copy,
// of the last 16 records. The error is an *Error.
func (o *Opener) KeepDictionaryRecord(record []byte) error {
	s, err := (codec{}).SplitDictionary(record)
	if err == nil {
		_, err = cms.ParseRecipients(s.Recipients, nil)
	}
	if err != nil {
		return refuse(err)
	}
	d := o.dictionaries
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.records) == maxDictionaries {
		d.records = append(d.records[:0], d.records[1:]...)
	}
	d.records = append(d.records, slices.Clone(record))
	return nil
}

// find returns the dictionaries with this hint, at least one. It waits for a
// key service or the store, as OpenWorker.Open does.
func (d *dictionaries) find(ctx context.Context, place string, hint dictionaryHint) ([]*coding.Dictionary, error) {
	if all := (*d.known.Load())[hint]; len(all) > 0 {
		return all, nil
	}
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for _, open := range []func(context.Context, string, dictionaryHint) error{d.openRecords, d.openStored} {
		if err := open(ctx, place, hint); err != nil {
			return nil, err
		}
		if all := (*d.known.Load())[hint]; len(all) > 0 {
			return all, nil
		}
	}
	return nil, errUnknownDictionary
}

// add notes a dictionary of a record.
func (d *dictionaries) add(dictionary *coding.Dictionary) {
	if len(d.found) == maxFound {
		d.found = append(d.found[:0], d.found[1:]...)
	}
	d.found = append(d.found, dictionary)
	d.publish()
}

// openRecords opens the records of an archive that were not opened yet. They
// have no names, so all of them may be meant.
func (d *dictionaries) openRecords(ctx context.Context, place string, _ dictionaryHint) error {
	for {
		record := d.nextRecord()
		if record == nil {
			return nil
		}
		dictionary, err := d.openRecord(ctx, place, record)
		if err != nil {
			return err
		}
		d.dropRecord(record)
		if dictionary != nil {
			d.add(dictionary)
		}
	}
}

func (d *dictionaries) nextRecord() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.records) == 0 {
		return nil
	}
	return d.records[0]
}

// dropRecord takes a record out, unless newer ones have pushed it out
// meanwhile.
func (d *dictionaries) dropRecord(record []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.records) > 0 && &d.records[0][0] == &record[0] {
		d.records = d.records[1:]
	}
}

// openStored opens the records in the store that have the hint.
func (d *dictionaries) openStored(ctx context.Context, place string, hint dictionaryHint) error {
	if until, tried := d.missing[hint]; tried && time.Now().Before(until) {
		return nil
	}
	stored, err := d.opener.keys.ReadDictionaries(ctx, hint)
	if err != nil {
		return err
	}
	found := false
	for i := range stored {
		for _, record := range stored[i].Records {
			dictionary, err := d.openRecord(ctx, place, record)
			if err != nil {
				return err
			}
			if dictionary != nil && dictionary.Name() == stored[i].Name {
				d.add(dictionary)
				found = true
				break
			}
		}
	}
	if !found && len(stored) > 0 {
		d.noteMissing(hint)
	}
	return nil
}

// noteMissing remembers that no record opens, and forgets that of others rather
// than to grow: the hints are a stranger's to choose.
func (d *dictionaries) noteMissing(hint dictionaryHint) {
	if len(d.missing) >= maxMissing {
		clear(d.missing)
	}
	d.missing[hint] = time.Now().Add(missingFor)
}

// openRecord returns the dictionary of a record, or nil if it cannot be opened:
// another one may.
func (d *dictionaries) openRecord(ctx context.Context, place string, record []byte) (*coding.Dictionary, error) {
	if d.worker == nil {
		d.worker = d.opener.newRecordWorker()
	}
	d.worker.Place = place
	payload, _, err := d.worker.Open(ctx, nil, record, &Binding{Kind: DictionaryRecord})
	defer clear(payload)
	var refused *Error
	switch {
	case errors.As(err, &refused):
		return nil, nil //nolint:nilnil // it is as good as none
	case err != nil:
		return nil, err
	}
	dictionary, err := coding.ParseDictionary(payload)
	if err != nil {
		return nil, nil //nolint:nilnil // Open has refused it before
	}
	return dictionary, nil
}

// newRecordWorker returns a worker with the same keys and signers that does not
// look at the clock: a dictionary may be old.
func (o *Opener) newRecordWorker() *OpenWorker {
	timeless := &Opener{o: o.o, keys: o.keys}
	timeless.o.NoClock, timeless.o.MaxMessageAge, timeless.o.MaxPayload = true, 0, 0
	return timeless.NewWorker()
}
