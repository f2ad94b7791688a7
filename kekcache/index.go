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
	store Store
	turn  chan struct{} // is held by the one that walks, and guards the rest
	names map[[HintSize]byte][][KIDSize]byte
	walks int       // that are left
	since time.Time // when one of them came back
}

func newNameIndex(store Store) *nameIndex {
	return &nameIndex{store: store, turn: make(chan struct{}, 1), walks: maxWalks}
}

// findNames returns up to maxNames names that begin with hint.
func (x *nameIndex) findNames(ctx context.Context, hint [HintSize]byte) ([][KIDSize]byte, error) {
	select {
	case x.turn <- struct{}{}:
		defer func() { <-x.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if names := x.names[hint]; len(names) > 0 || !x.takeWalk() {
		return names, nil
	}
	names := map[[HintSize]byte][][KIDSize]byte{}
	err := x.store.Each(ctx, func(name [KIDSize]byte) error {
		hint := [HintSize]byte(name[:])
		if len(names[hint]) < maxNames {
			names[hint] = append(names[hint], name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	x.names = names
	return names[hint], nil
}

// takeWalk tells whether there may be another walk.
func (x *nameIndex) takeWalk() bool {
	now := time.Now()
	if back := int(now.Sub(x.since) / walkEvery); back > 0 {
		x.walks = min(maxWalks, x.walks+back)
		x.since = now
	}
	if x.walks == 0 {
		return false
	}
	x.walks--
	return true
}

// Dictionary is the dictionary records of one name in a store.
type Dictionary struct {
	Name    [KIDSize]byte
	Records [][]byte
}

// ReadDictionaries returns what the store has under names that begin with hint;
// some of it may be key records. It waits while the store is away, until ctx
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
	for _, name := range names {
		d := Dictionary{Name: name}
		if d.Records, err = c.readRecords(ctx, name); err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, err
}
