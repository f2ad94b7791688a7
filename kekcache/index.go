package kekcache

import (
	"context"
	"time"
)

// HintSize is how many bytes of the name of a dictionary an envelope shows.
const HintSize = 4

// maxNames is how many names of one hint are found.
const maxNames = 16

// A walk through a store looks for a name that was not there at the last one.
// The hint of an envelope may be a stranger's to choose, so there are only so
// many walks: maxWalks at once, and then one in walkEvery.
const (
	maxWalks  = 16
	walkEvery = time.Second
)

// nameIndex finds names in a store by their first bytes, for dictionary
// records, which messages do not name in full. It is safe for concurrent use.
type nameIndex struct {
	store  Store
	turn   chan struct{} // is held by the one that walks, and guards the rest
	names  map[[HintSize]byte][][KIDSize]byte
	walked int       // how many walks there were
	walks  int       // that are left
	since  time.Time // when one of them came back
}

func newNameIndex(store Store) *nameIndex {
	return &nameIndex{store: store, turn: make(chan struct{}, 1), walks: maxWalks}
}

// findNames returns up to maxNames names that begin with hint. It waits while
// there may be no walk, until ctx ends: nobody has looked for the name then.
func (x *nameIndex) findNames(ctx context.Context, hint [HintSize]byte) ([][KIDSize]byte, error) {
	before := -1
	for {
		select {
		case x.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if before < 0 {
			before = x.walked
		}
		names, delay, err := x.lookUp(ctx, hint, before)
		<-x.turn // those that are known do not wait
		if delay == 0 {
			return names, err
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// lookUp returns the names that begin with hint, or how long to wait before
// another try. before is the number of walks there were when it was first
// asked: a later one has seen everything that there was then. The caller holds
// the turn.
func (x *nameIndex) lookUp(
	ctx context.Context, hint [HintSize]byte, before int,
) (found [][KIDSize]byte, delay time.Duration, err error) {
	if found = x.names[hint]; len(found) > 0 || x.walked > before {
		return found, 0, nil
	}
	if delay = x.takeWalk(); delay > 0 {
		return nil, delay, nil
	}
	names := map[[HintSize]byte][][KIDSize]byte{}
	err = x.store.Each(ctx, func(name [KIDSize]byte) error {
		hint := [HintSize]byte(name[:])
		if len(names[hint]) < maxNames {
			names[hint] = append(names[hint], name)
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	x.names = names
	x.walked++
	return names[hint], 0, nil
}

// takeWalk takes a walk that is left, or returns when there will be one.
func (x *nameIndex) takeWalk() (delay time.Duration) {
	now := time.Now()
	if back := int(now.Sub(x.since) / walkEvery); back > 0 {
		x.walks = min(maxWalks, x.walks+back)
		x.since = now
	}
	if x.walks == 0 {
		return max(1, walkEvery-now.Sub(x.since))
	}
	x.walks--
	return 0
}

// Dictionary is the dictionary records of one name in a store that may be
// tried, at most 16.
type Dictionary struct {
	Name    [KIDSize]byte
	Records [][]byte
}

// ReadDictionaries returns the names in the store that begin with hint; some of
// them may be of key records only. It waits while the store is away, until ctx
// ends. Without a store it returns nothing.
func (c *OpenKeys) ReadDictionaries(ctx context.Context, hint [HintSize]byte) (all []Dictionary, err error) {
	if c.o.Store == nil {
		return nil, nil
	}
	var names [][KIDSize]byte
	err = c.health.repeat(nil).run(ctx, func() (err error) {
		names, err = c.index.findNames(ctx, hint)
		c.health.noteAnswer(ctx, storeDependency, err)
		return err
	})
	keks, _ := c.currentKEKs()
	for _, name := range names {
		records, err := c.readRecords(ctx, name)
		if err != nil {
			return nil, err
		}
		d := Dictionary{Name: name}
		found, _ := c.filterRecords(keks, splitDictionary(c.o.Codec, name)).findCandidates(records)
		for i := range found {
			d.Records = append(d.Records, found[i].record)
		}
		all = append(all, d)
	}
	return all, err
}
