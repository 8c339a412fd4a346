package track

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// Kind keeps the objects of a kind, and collects which have changed. One goroutine may take them; the rest is safe for
// concurrent use.
type Kind[T object] struct {
	mu      sync.Mutex // guards changed, and what the store holds
	store   *store[T]
	changed map[types.NamespacedName]T
	same    func(was, is T) bool
	wake    func()
}

// NewKind makes a Kind of what its store is told. trim takes of an object what nobody reads, and same says whether two
// states of one, as trimmed, are no change: others may write often what nobody reads here. wake is called when something
// has changed, and must not wait.
func NewKind[T object](trim func(T), same func(was, is T) bool, wake func()) *Kind[T] {
	k := &Kind[T]{changed: map[types.NamespacedName]T{}, same: same, wake: wake}
	k.store = newStore(&k.mu, inPlace(trim), k.note)
	return k
}

// Store is the store for a reflector.
func (k *Kind[T]) Store() cache.ReflectorStore { return k.store }

// Read is closed once all objects have been read.
func (k *Kind[T]) Read() <-chan struct{} { return k.store.read }

// Take takes the objects that have changed, as they are now: nil is one that has gone.
func (k *Kind[T]) Take() map[types.NamespacedName]T {
	k.mu.Lock()
	defer k.mu.Unlock()
	taken := k.changed
	k.changed = map[types.NamespacedName]T{}
	return taken
}

// All are all objects there are, in no order.
func (k *Kind[T]) All() []T {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]T, 0, len(k.store.objects))
	for _, obj := range k.store.objects {
		all = append(all, obj)
	}
	return all
}

func (k *Kind[T]) note(was, is T) {
	var none T
	obj := is
	switch {
	case is == none:
		obj = was
	case was != none && k.same(was, is):
		return
	}
	k.changed[nameOf(obj)] = is
	k.wake()
}
