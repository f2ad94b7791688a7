package proof

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

// DefaultMemory is how many bytes the records take at most that wait for their
// counterpart.
const DefaultMemory = 32 << 20

// Options say how two sides are compared.
type Options struct {
	// Passes is in how many passes both sides are read; default 1.
	Passes int
	// Memory is how many bytes the records take at most that wait for their
	// counterpart, and the offsets without a record; default DefaultMemory.
	Memory int64
	// AnySource says that the plain side is one place of which envelopes may
	// have several names: a file, or a stream.
	AnySource bool
	// IsOwn tells whether a source that envelopes name is the plain side. It is
	// not asked with AnySource.
	IsOwn func(source [5]byte) bool
	// Ciphertext has sums made of the envelopes: Record.Sum is filled in.
	Ciphertext bool
	// Digests says that the key of the digests is a lasting one, so that sums
	// of digests are worth to be kept.
	Digests bool
}

// ErrMemory says that too many records wait for their counterpart.
var ErrMemory = errors.New("more records wait for their counterpart than the memory holds")

// ErrOrder says that the plain side was not read in the order of its offsets.
var ErrOrder = errors.New("the plaintext is not in the order of its offsets")

// Comparer compares the records of two sides, each given by one or more
// goroutines. Methods of one side may be called by several at once.
type Comparer struct {
	o  Options
	mu sync.Mutex
	// changed is closed when something happens that a waiting side wants to
	// know.
	changed chan struct{}

	pass    int
	byID    map[PlaceID]*place
	places  []*place
	stored  map[string]*stored
	order   []*stored
	sources map[[5]byte]int64 // records of each source that envelopes name
	loose   Counts            // findings about records that no place can be said of
	strays  [findings]origins
	table   table
	open    map[keyID]*openKey // see NeedsKeys
	gaps    int                // of all places
	sides   [2]sideState
	thinned bool // the sealed side deletes records out of the middle
}

// The sides.
const (
	plainSide = iota
	sealedSide
)

// sideState is how far a side is in this pass.
type sideState struct {
	waiting  int // records that wait for their counterpart
	sleepers int // calls that wait for the other side
	done     bool
}

// New returns a Comparer for the first pass.
func New(o Options) *Comparer {
	if o.Passes == 0 {
		o.Passes = 1
	}
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	return &Comparer{
		o: o, changed: make(chan struct{}), byID: map[PlaceID]*place{}, stored: map[string]*stored{},
		sources: map[[5]byte]int64{},
	}
}

// blockBits is the size of a block of offsets that are looked at in one pass.
const blockBits = 10

// owns tells whether an offset of a place is looked at in this pass.
func (c *Comparer) owns(p *place, offset int64) bool {
	if c.o.Passes == 1 {
		return true
	}
	h := uint64(offset>>blockBits)*0x9e3779b97f4a7c15 + uint64(p.index)*0xd6e8feb86659fd93
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 32
	return int(h%uint64(c.o.Passes)) == c.pass
}

// placeOf returns the place of an id, and makes it if it is new.
func (c *Comparer) placeOf(id PlaceID) (*place, error) {
	if c.o.AnySource {
		id = PlaceID{}
	}
	if p := c.byID[id]; p != nil {
		return p, nil
	}
	if len(c.places) == maxPlaces {
		return nil, fmt.Errorf("more than %d places", maxPlaces)
	}
	p := newPlace(id, uint32(len(c.places)))
	c.byID[id], c.places = p, append(c.places, p)
	return p, nil
}

// NamePlain says that the plain side has a place, where it ends, and whether
// records are deleted out of its middle.
func (c *Comparer) NamePlain(id PlaceID, name string, end int64, compacted bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.placeOf(id)
	if err != nil {
		return err
	}
	if p.name == "" {
		p.name = name
	}
	p.compacted = p.compacted || compacted
	p.end = max(p.end, end)
	return nil
}

// NameSealed says that the sealed side has a place, where it ends, and whether
// records are deleted out of its middle.
func (c *Comparer) NameSealed(name string, end int64, compacted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.storedOf(name)
	s.end = max(s.end, end)
	s.compacted = s.compacted || compacted
	c.thinned = c.thinned || compacted
}

// KeepKeys has the hashes of record keys kept, which takes more memory: the
// sealed side may be compacted. It is called before the first record.
func (c *Comparer) KeepKeys() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.table.keyed = true
}

func (c *Comparer) storedOf(name string) *stored {
	s := c.stored[name]
	if s == nil {
		s = newStored(name)
		c.stored[name], c.order = s, append(c.order, s)
	}
	return s
}

// AddPlain takes records of the plain side, in the order of each place. It
// waits while this side is far ahead.
func (c *Comparer) AddPlain(ctx context.Context, records []Record) error {
	if err := c.awaitTurn(ctx, plainSide); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range records {
		if err := c.addPlain(&records[i]); err != nil {
			return err
		}
	}
	c.wakeSleepers()
	return c.checkMemory()
}

func (c *Comparer) addPlain(r *Record) error {
	p, err := c.placeOf(r.At.PlaceID)
	if err != nil {
		return err
	}
	offset := r.At.Offset
	if offset < 0 || offset > maxOffset {
		return fmt.Errorf("from %s@%d: no position has room for this offset", r.Place, offset)
	}
	if offset <= p.high {
		return fmt.Errorf("from %s@%d: %w: behind offset %d", r.Place, offset, ErrOrder, p.high)
	}
	if p.name == "" {
		p.name = r.Place
	}
	c.noteGap(p, offset)
	p.high = offset
	if !c.owns(p, offset) {
		return nil
	}
	p.counts.PlainRecords++
	p.counts.PlainBytes += int64(r.Bytes)
	c.addSum(&p.plainSum, &r.Digest)
	e := newEntry(p.index, false, offset)
	e.term, e.digest = uint32(r.At.Term), [16]byte(r.Digest[:])
	if r.Tombstone {
		e.flags |= tombstone
	}
	other := newEntry(p.index, true, offset)
	found, _ := c.table.findEntry(&other)
	switch {
	case found == nil:
	case found.flags&sealedBad != 0:
		e.flags |= broken
		c.take(found)
	case found.term != e.term:
		p.note(Unverifiable, c.nameOf(p), offset, "")
		c.take(found)
	default:
		c.judge(p, &e, found)
		c.take(found)
		return nil
	}
	c.table.putEntry(&e, r.Key)
	c.sides[plainSide].waiting++
	return nil
}

// noteGap notes the offsets between the last record and this one.
func (c *Comparer) noteGap(p *place, offset int64) {
	if p.first < 0 {
		p.first = offset
		return
	}
	from := p.high + 1
	if from == offset || offset>>blockBits == from>>blockBits && !c.owns(p, from) {
		return
	}
	before := len(p.gaps)
	p.gaps.addRange(from, offset-1)
	c.gaps += len(p.gaps) - before
}

// judge compares a record with its envelope.
func (c *Comparer) judge(p *place, plain, sealed *entry) {
	if plain.digest == sealed.digest {
		p.counts.Matched++
		return
	}
	p.note(Different, c.nameOf(p), plain.offset(), "")
}

// take removes an entry of the table.
func (c *Comparer) take(e *entry) {
	side := plainSide
	if e.sealed() {
		side = sealedSide
	}
	like := *e
	c.table.removeEntry(&like)
	c.sides[side].waiting--
}

func (c *Comparer) checkMemory() error {
	if c.table.countBytes()+int64(c.gaps)*gapSize > c.o.Memory {
		return fmt.Errorf("%w: %d records in %d bytes", ErrMemory, c.table.used, c.o.Memory)
	}
	return nil
}

// AddSealed takes records of the sealed side, in the order in which each place
// of it stores them. It waits while this side is far ahead.
func (c *Comparer) AddSealed(ctx context.Context, records []Record) error {
	if err := c.awaitTurn(ctx, sealedSide); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range records {
		if c.pass == 0 {
			c.noteStored(&records[i])
		}
		if err := c.addSealed(&records[i]); err != nil {
			return err
		}
	}
	c.wakeSleepers()
	return c.checkMemory()
}

// noteStored counts an envelope where it lies.
func (c *Comparer) noteStored(r *Record) {
	s := c.storedOf(r.Place)
	if s.first < 0 {
		s.first = r.Offset
	}
	s.last = r.Offset
	s.records++
	s.bytes += int64(r.Stored)
	if c.o.Ciphertext {
		var at [8]byte
		binary.BigEndian.PutUint64(at[:], uint64(r.Offset))
		_, _ = s.hash.Write(at[:])
		_, _ = s.hash.Write(r.Sum[:])
	}
}

// nameOf names a place of the plaintext.
func (c *Comparer) nameOf(p *place) string {
	if p.name != "" {
		return p.name
	}
	return fmt.Sprintf("source %x/%d", p.id.Source, p.id.Partition)
}
