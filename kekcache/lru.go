package kekcache

import "container/list"

// lru is a map of bounded size that drops the entry used longest ago. It is not
// safe for concurrent use.
type lru[K comparable, V any] struct {
	size    int        // at least 1
	order   *list.List // of *entry[K, V], the latest in front
	entries map[K]*list.Element
	dropped func(K, V) // told of each value that leaves; may be nil
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](size int, dropped func(K, V)) *lru[K, V] {
	return &lru[K, V]{size: size, order: list.New(), entries: map[K]*list.Element{}, dropped: dropped}
}

func (l *lru[K, V]) get(key K) (v V, ok bool) {
	e, ok := l.entries[key]
	if !ok {
		return v, false
	}
	l.order.MoveToFront(e)
	return e.Value.(*entry[K, V]).value, true
}

// oldest returns the entry used longest ago.
func (l *lru[K, V]) oldest() (key K, v V, ok bool) {
	e := l.order.Back()
	if e == nil {
		return key, v, false
	}
	o := e.Value.(*entry[K, V])
	return o.key, o.value, true
}

func (l *lru[K, V]) put(key K, v V) {
	l.drop(key)
	l.entries[key] = l.order.PushFront(&entry[K, V]{key, v})
	if l.order.Len() > l.size {
		l.drop(l.order.Back().Value.(*entry[K, V]).key)
	}
}

func (l *lru[K, V]) drop(key K) {
	e, ok := l.entries[key]
	if !ok {
		return
	}
	delete(l.entries, key)
	l.order.Remove(e)
	if l.dropped != nil {
		l.dropped(key, e.Value.(*entry[K, V]).value)
	}
}

func (l *lru[K, V]) clear() {
	for e := l.order.Back(); e != nil; e = l.order.Back() {
		l.drop(e.Value.(*entry[K, V]).key)
	}
}
