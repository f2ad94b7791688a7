package route

import (
	"sync"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// contextTable has the keys of a route over several topics, by context: each is
// opened when a worker first needs it, and closed when no worker does.
type contextTable[K any] struct {
	open  func(name string) (K, error)
	close func(K) error

	mu     sync.Mutex
	byName map[string]*contextKeys[K]
}

type contextKeys[K any] struct {
	keys  K
	users int
}

// acquire returns the keys of a context, which are in use until release.
func (t *contextTable[K]) acquire(name string) (keys K, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.byName[name]
	if k == nil {
		k = new(contextKeys[K])
		if k.keys, err = t.open(name); err != nil {
			return keys, err
		}
		if t.byName == nil {
			t.byName = make(map[string]*contextKeys[K])
		}
		t.byName[name] = k
	}
	k.users++
	return k.keys, nil
}

// release ends a use of acquire.
func (t *contextTable[K]) release(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.byName[name]
	if k.users--; k.users == 0 {
		delete(t.byName, name)
		_ = t.close(k.keys) // what it could not audit, the whole route tells at its end
	}
}

// openTransform returns the transform that newTransform makes of the keys of a
// context. The keys are in use until the returned function is called.
func (t *contextTable[K]) openTransform(
	name string, newTransform func(K) (pipeline.Transform, error),
) (pipeline.Transform, func(), error) {
	keys, err := t.acquire(name)
	if err != nil {
		return nil, nil, err
	}
	release := func() { t.release(name) }
	transform, err := newTransform(keys)
	if err != nil {
		release()
		return nil, nil, err
	}
	return transform, release, nil
}
