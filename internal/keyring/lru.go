package keyring

import "container/list"

// lru is a map that forgets the entry that was used longest ago. Its owner
// guards it with a lock.
type lru[K comparable, V any] struct {
	limit int
	order *list.List // of entry[K, V], the latest in front
	items map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](limit int) *lru[K, V] {
	return &lru[K, V]{limit: limit, order: list.New(), items: map[K]*list.Element{}}
}

func (l *lru[K, V]) get(k K) (v V, ok bool) {
	e, ok := l.items[k]
	if !ok {
		return v, false
	}
	l.order.MoveToFront(e)
	return e.Value.(entry[K, V]).value, true
}

func (l *lru[K, V]) put(k K, v V) {
	l.remove(k)
	l.items[k] = l.order.PushFront(entry[K, V]{k, v})
	if l.order.Len() > l.limit {
		l.remove(l.order.Back().Value.(entry[K, V]).key)
	}
}

func (l *lru[K, V]) remove(k K) {
	if e, ok := l.items[k]; ok {
		l.order.Remove(e)
		delete(l.items, k)
	}
}
