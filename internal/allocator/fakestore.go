package allocator

import (
	"context"
	"strconv"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// FakeStore is a Store in memory for tests, with the API server's semantics. The zero value is empty.
type FakeStore struct {
	// Before, if set, is called before each call takes effect, with its verb ("create", "get", "update",
	// "delete") and the number; an error is returned in place of doing it. So is that of a context that has
	// ended meanwhile.
	Before func(verb, name string) error
	// After, if set, is called after each call took effect; an error is returned although it was done: an
	// answer that was lost.
	After func(verb, name string) error
	// Watchers are told of each change, in order: ledgers, for instance.
	Watchers []FakeWatcher

	mu      sync.Mutex // guards all below
	claims  map[string]*v1alpha1.NodePortAllocation
	version int
}

// FakeWatcher is what a FakeStore tells of changes. A Ledger is one.
type FakeWatcher interface {
	AllocationSeen(*v1alpha1.NodePortAllocation)
	AllocationGone(*v1alpha1.NodePortAllocation)
}

var allocations = schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "nodeportallocations"}

func (s *FakeStore) call(ctx context.Context, verb, name string, do func() error) error {
	if s.Before != nil {
		if err := s.Before(verb, name); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.mu.Lock()
	err := do()
	s.mu.Unlock()
	if err == nil && s.After != nil {
		err = s.After(verb, name)
	}
	return err
}

// Create implements Store.
func (s *FakeStore) Create(ctx context.Context, a *v1alpha1.NodePortAllocation) error {
	return s.call(ctx, "create", a.Name, func() error {
		if s.claims[a.Name] != nil {
			return apierrors.NewAlreadyExists(allocations, a.Name)
		}
		s.put(a, types.UID("uid-"+strconv.Itoa(s.version+1)))
		return nil
	})
}

// Get implements Store.
func (s *FakeStore) Get(ctx context.Context, number int32) (*v1alpha1.NodePortAllocation, error) {
	var found *v1alpha1.NodePortAllocation
	return found, s.call(ctx, "get", NameOf(number), func() error {
		if found = s.claims[NameOf(number)].DeepCopy(); found == nil {
			return apierrors.NewNotFound(allocations, NameOf(number))
		}
		return nil
	})
}

// Update implements Store.
func (s *FakeStore) Update(ctx context.Context, a *v1alpha1.NodePortAllocation) error {
	return s.call(ctx, "update", a.Name, func() error {
		if err := s.check(a); err != nil {
			return err
		}
		s.put(a, a.UID)
		return nil
	})
}

// Delete implements Store.
func (s *FakeStore) Delete(ctx context.Context, a *v1alpha1.NodePortAllocation) error {
	return s.call(ctx, "delete", a.Name, func() error {
		if err := s.check(a); err != nil {
			return err
		}
		delete(s.claims, a.Name)
		gone := a.DeepCopy()
		gone.ResourceVersion = s.next()
		for _, w := range s.Watchers {
			w.AllocationGone(gone)
		}
		return nil
	})
}

// List returns the present claims by name.
func (s *FakeStore) List() map[string]*v1alpha1.NodePortAllocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := map[string]*v1alpha1.NodePortAllocation{}
	for name, a := range s.claims {
		list[name] = a.DeepCopy()
	}
	return list
}

func (s *FakeStore) check(a *v1alpha1.NodePortAllocation) error {
	stored := s.claims[a.Name]
	switch {
	case stored == nil:
		return apierrors.NewNotFound(allocations, a.Name)
	case stored.UID != a.UID || stored.ResourceVersion != a.ResourceVersion:
		return apierrors.NewConflict(allocations, a.Name, nil)
	}
	return nil
}

func (s *FakeStore) put(a *v1alpha1.NodePortAllocation, uid types.UID) {
	a.UID, a.ResourceVersion = uid, s.next()
	if s.claims == nil {
		s.claims = map[string]*v1alpha1.NodePortAllocation{}
	}
	s.claims[a.Name] = a.DeepCopy()
	for _, w := range s.Watchers {
		w.AllocationSeen(a.DeepCopy())
	}
}

func (s *FakeStore) next() string {
	s.version++
	return strconv.Itoa(s.version)
}
