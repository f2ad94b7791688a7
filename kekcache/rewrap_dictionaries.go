package kekcache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
)

var errNoDictionary = fmt.Errorf("%w: no dictionary record", ErrUnknownKey)

// RewrapDictionaries puts dictionary records for the new KEKs into the store,
// unless there are some, for all dictionaries with this hint that the store
// has. Without a store it does nothing. Its errors are those of RewrapRecord.
func (c *RewrapKeys) RewrapDictionaries(ctx context.Context, place string, hint [HintSize]byte) error {
	if c.o.Store == nil {
		return nil
	}
	from := source{of: ofHint}
	copy(from.name[:], hint[:])
	_, err := c.getResult(ctx, from, func(ctx context.Context, _ *Rewrapped) error {
		return c.rewrapDictionaries(ctx, place, hint)
	})
	if errors.Is(err, errNoDictionary) {
		return nil
	}
	return err
}

func (c *RewrapKeys) rewrapDictionaries(ctx context.Context, place string, hint [HintSize]byte) error {
	var names [][KIDSize]byte
	err := c.untilBack(ctx, "the key store", func() (err error) {
		names, err = c.index.findNames(ctx, hint)
		return err
	})
	if err != nil {
		return err
	}
	found := errNoDictionary
	for _, name := range names {
		switch err := c.rewrapDictionary(ctx, place, name); {
		case errors.Is(err, errNoDictionary): // a kid that begins like it
		case err != nil:
			return err
		default:
			found = nil
		}
	}
	return found
}

// rewrapDictionary puts further records of a name into the store: one for each
// that has none for the new KEKs yet. Which of them holds the dictionary is not
// known here, since nothing is opened.
func (c *RewrapKeys) rewrapDictionary(ctx context.Context, place string, name [KIDSize]byte) error {
	records, err := c.readRecords(ctx, name)
	if err != nil {
		return err
	}
	found, failed := c.filterRecords(splitDictionary(c.o.Codec, name)).findCandidates(records)
	if len(found) == 0 {
		return cmp.Or(failed, errNoDictionary)
	}
	done := map[string]bool{} // by the bytes before the recipients
	for i := range found {
		if d := &found[i]; c.areDone(d.recipients, d.all) {
			done[d.front()] = true
		}
	}
	for i := range found {
		d := &found[i]
		if done[d.front()] {
			continue
		}
		now, _, err := c.RewrapRecipients(ctx, place, &d.sealed)
		switch {
		case err == nil:
			err = c.putRecord(ctx, name, replaceRecipients(d.record, d.sealed.Recipients, now.Recipients))
			if err != nil {
				return err
			}
			done[d.front()] = true
		case !isRefusal(err):
			return err
		default:
			failed = err
		}
	}
	if len(done) > 0 {
		return nil
	}
	return failed
}
