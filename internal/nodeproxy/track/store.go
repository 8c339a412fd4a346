package track

import (
	"fmt"
	"maps"
	"sync"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/nodeproxy/endpoints"
)

// object is what a store keeps: an object of the API, or what is read of one.
type object interface {
	comparable
	named
	GetResourceVersion() string
}

type named interface {
	GetNamespace() string
	GetName() string
}

// store keeps the objects of one kind, as a reflector tells it: a cache.ReflectorStore. It is all there is between the API
// server and the Tracker: an informer would keep a second copy of every key, and a queue with two goroutines, for readers
// that are not here.
type store[T object] struct {
	keep    func(obj any) (T, error) // is what is kept of an object of the API
	changed func(was, is T)          // is told of an object as it was and as it is, nil where it was not or is not; mu is held
	read    chan struct{}            // closed once all has been read
	once    sync.Once                // closes it
	mu      *sync.Mutex              // guards objects
	objects map[types.NamespacedName]T
}

func newStore[T object](mu *sync.Mutex, keep func(obj any) (T, error), changed func(was, is T)) *store[T] {
	return &store[T]{keep: keep, changed: changed, read: make(chan struct{}), mu: mu, objects: map[types.NamespacedName]T{}}
}

// Add takes an object that is new, or differs.
func (s *store[T]) Add(obj any) error {
	is, err := s.keep(obj)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(is)
	return nil
}

// Update is Add.
func (s *store[T]) Update(obj any) error { return s.Add(obj) }

// Delete takes an object away.
func (s *store[T]) Delete(obj any) error {
	was, ok := obj.(metav1.Object)
	if !ok {
		return fmt.Errorf("track: a %T was deleted", obj)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(nameOf(was))
	return nil
}

// Replace takes all objects that there are, as a list shows them: also those that have been missed, and none that is known.
func (s *store[T]) Replace(list []any, _ string) error {
	objects := make([]T, len(list))
	for i, obj := range list {
		var err error
		if objects[i], err = s.keep(obj); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := maps.Clone(s.objects)
	for _, is := range objects { // in the order of the list, as the memory is
		delete(gone, nameOf(is))
		s.set(is)
	}
	for name := range gone {
		s.drop(name)
	}
	s.once.Do(func() { close(s.read) })
	return nil
}

// Resync does nothing: what is known has been told.
func (*store[T]) Resync() error { return nil }

// inPlace keeps an object itself. trim takes of it what nobody reads; nil takes nothing.
func inPlace[T object](trim func(T)) func(obj any) (T, error) {
	return func(obj any) (T, error) {
		is, ok := obj.(T)
		if !ok {
			return is, fmt.Errorf("track: got a %T", obj)
		}
		if trim != nil {
			trim(is)
		}
		return is, nil
	}
}

func keepSlice(obj any) (*endpoints.Slice, error) {
	slice, ok := obj.(*discoveryv1.EndpointSlice)
	if !ok {
		return nil, fmt.Errorf("track: got a %T", obj)
	}
	return endpoints.Of(slice), nil
}

// set leaves out what a list shows again. mu is held.
func (s *store[T]) set(is T) {
	var none T
	name := nameOf(is)
	was := s.objects[name]
	if was != none && was.GetResourceVersion() == is.GetResourceVersion() {
		return
	}
	s.objects[name] = is
	s.changed(was, is)
}

// drop does nothing for an object that is not there. mu is held.
func (s *store[T]) drop(name types.NamespacedName) {
	var none T
	was := s.objects[name]
	if was == none {
		return
	}
	delete(s.objects, name)
	s.changed(was, none)
}

func nameOf(obj named) types.NamespacedName {
	return types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}
}
