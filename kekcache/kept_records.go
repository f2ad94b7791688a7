package kekcache

import (
	"bytes"
	"slices"
	"sync"
)

const (
	// minKept is how many key records of a file are kept at least
	// (docs/envelope.md, section 9).
	minKept = 1024
	// maxKept and maxKeptBytes are how many are kept at most, for the messages
	// that are read ahead.
	maxKept      = 16 * minKept
	maxKeptBytes = 16 << 20
)

// keptRecords are the last key records of a file. It is safe for concurrent
// use.
type keptRecords struct {
	mu    sync.Mutex
	byKID map[[KIDSize]byte][][]byte
	order [][KIDSize]byte // the one that was kept first is the first
	bytes int
}

// keep keeps a copy of a record, unless it is there.
func (k *keptRecords) keep(kid [KIDSize]byte, record []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byKID == nil {
		k.byKID = map[[KIDSize]byte][][]byte{}
	}
	have := k.byKID[kid]
	if slices.ContainsFunc(have, func(r []byte) bool { return bytes.Equal(r, record) }) {
		return
	}
	k.byKID[kid] = append(slices.Clip(have), bytes.Clone(record))
	k.order = append(k.order, kid)
	k.bytes += len(record)
	for len(k.order) > minKept && (len(k.order) > maxKept || k.bytes > maxKeptBytes) {
		k.dropOldest()
	}
}

func (k *keptRecords) dropOldest() {
	kid := k.order[0]
	k.order = k.order[1:]
	have := k.byKID[kid]
	k.bytes -= len(have[0])
	if len(have) == 1 {
		delete(k.byKID, kid)
		return
	}
	k.byKID[kid] = slices.Clone(have[1:])
}

// keepParsed keeps a record that a codec can read, and returns its kid.
func (k *keptRecords) keepParsed(codec Codec, record []byte) (kid [KIDSize]byte, err error) {
	s, err := codec.SplitRecord(record)
	if err != nil {
		return kid, err
	}
	if _, _, err := codec.ParseRecipients(s.Recipients); err != nil {
		return kid, err
	}
	kid = [KIDSize]byte(s.Commitment)
	k.keep(kid, record)
	return kid, nil
}

// find returns the records of a kid. They must not be changed.
func (k *keptRecords) find(kid [KIDSize]byte) [][]byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.byKID[kid]
}

// KeepRecord has a key record of a file be used for the messages behind it. It
// is looked for before the store is, and only the last ones are kept: 1,024 and
// more. The error is the Codec's.
func (c *OpenKeys) KeepRecord(record []byte) error {
	kid, err := c.kept.keepParsed(c.o.Codec, record)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals.drop(sourceOfKID(kid))
	return nil
}

// KeepRecord has a key record of a file be used for the messages behind it. It
// is rewrapped as an envelope of its own; messages with its kid need no store.
// The error is the Codec's.
func (c *RewrapKeys) KeepRecord(record []byte) error {
	kid, err := c.kept.keepParsed(c.o.Codec, record)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done.drop(sourceOfKID(kid))
	return nil
}
