package allocator

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// The view is made of what the watches deliver and of what we read and wrote ourselves, which comes earlier. The
// watch of allocations delivers in the order of resourceVersions, so what it has passed by is old news; and a
// claim of ours that it has passed without delivering it was deleted while the watch was broken: the next event,
// of whatever number, clears it out of the view.

// AllocationSeen takes in a claim that the watch delivered.
func (l *Ledger) AllocationSeen(a *v1alpha1.NodePortAllocation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.clock.Now(); StateOf(a, now) == Pending {
		l.claimed = now
	}
	if n, ok := NumberOf(a); ok {
		l.put(n, a)
		l.count(n, a)
		l.caughtUp(n, a)
	}
	l.advance(a.ResourceVersion)
	l.changedLocked()
}

// AllocationsListed takes in all claims at one moment, before the watch delivers them one by one: when it has been
// broken, those that were made meanwhile come in the order of their names, and each counts for the others.
func (l *Ledger) AllocationsListed(all []*v1alpha1.NodePortAllocation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range all {
		if n, ok := NumberOf(a); ok {
			l.put(n, a)
			l.caughtUp(n, a)
		}
	}
}

// caughtUp takes in that the watch, or a list of it, has a claim as new as the one we know.
func (l *Ledger) caughtUp(n int32, a *v1alpha1.NodePortAllocation) {
	if known := l.claims[n]; known != nil && !newer(known.ResourceVersion, a.ResourceVersion) {
		delete(l.ahead, n)
	}
}

// AllocationGone takes in that the watch saw a claim deleted.
func (l *Ledger) AllocationGone(a *v1alpha1.NodePortAllocation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := NumberOf(a); ok {
		if l.deleted[n] == a.UID {
			delete(l.deleted, n)
		}
		if known := l.claims[n]; known != nil && known.UID == a.UID {
			l.remove(n)
		}
	}
	l.advance(a.ResourceVersion)
	l.changedLocked()
}

// advance notes how far the watch is.
func (l *Ledger) advance(resourceVersion string) {
	if !newer(resourceVersion, l.seen) {
		return
	}
	l.seen = resourceVersion
	for n := range l.ahead {
		if !newer(l.claims[n].ResourceVersion, l.seen) {
			l.remove(n)
		}
	}
}

// learn takes in a claim that we read or wrote.
func (l *Ledger) learn(a *v1alpha1.NodePortAllocation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := NumberOf(a)
	if ok && newer(a.ResourceVersion, l.seen) && l.put(n, a) {
		l.ahead[n] = true
	}
}

// forget takes in that we deleted a claim, or found it deleted.
func (l *Ledger) forget(a *v1alpha1.NodePortAllocation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, _ := NumberOf(a)
	if known := l.claims[n]; known != nil && known.UID == a.UID {
		l.deleted[n] = a.UID
		l.remove(n)
		l.changedLocked()
	}
}

// newer says whether resourceVersion a comes after b; one that cannot be read counts as newer.
func newer(a, b string) bool {
	if b == "" {
		return true
	}
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || order > 0
}

// put notes a claim, unless it is known to be outdated.
func (l *Ledger) put(n int32, a *v1alpha1.NodePortAllocation) bool {
	known := l.claims[n]
	if l.deleted[n] == a.UID && a.UID != "" || known != nil && !newer(a.ResourceVersion, known.ResourceVersion) {
		return false
	}
	if known != nil {
		l.unlist(n, known)
	}
	l.claims[n] = a
	owner := OwnerOf(a)
	note(l.claimedBy, owner, n)
	note(l.claimedIn, owner.Namespace, n)
	l.refresh(n)
	return true
}

// note adds a number to those of a key, strike takes it away.
func note[K comparable](index map[K]map[int32]bool, key K, n int32) {
	if index[key] == nil {
		index[key] = map[int32]bool{}
	}
	index[key][n] = true
}

func strike[K comparable](index map[K]map[int32]bool, key K, n int32) {
	delete(index[key], n)
	if len(index[key]) == 0 {
		delete(index, key)
	}
}

// remove takes a claim out.
func (l *Ledger) remove(n int32) {
	l.unlist(n, l.claims[n])
	delete(l.claims, n)
	delete(l.ahead, n)
	l.refresh(n)
}

func (l *Ledger) unlist(n int32, a *v1alpha1.NodePortAllocation) {
	owner := OwnerOf(a)
	strike(l.claimedBy, owner, n)
	strike(l.claimedIn, owner.Namespace, n)
}

// ServiceSeen takes in the numbers that a Service carries.
func (l *Ledger) ServiceSeen(svc *corev1.Service) {
	l.carry(types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name},
		serviceports.Numbers(serviceports.Requests(svc)))
}

// ServiceGone takes in that a Service was deleted.
func (l *Ledger) ServiceGone(service types.NamespacedName) { l.carry(service, nil) }

func (l *Ledger) carry(service types.NamespacedName, numbers []int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.carriedBy[service]
	if slices.Equal(before, numbers) {
		return
	}
	for _, n := range before {
		delete(l.carriers[n], service)
		if len(l.carriers[n]) == 0 {
			delete(l.carriers, n)
		}
	}
	for _, n := range numbers {
		if l.carriers[n] == nil {
			l.carriers[n] = map[types.NamespacedName]bool{}
		}
		l.carriers[n][service] = true
	}
	if l.carriedBy[service] = numbers; len(numbers) == 0 {
		delete(l.carriedBy, service)
	}
	for _, n := range before {
		l.refresh(n)
	}
	for _, n := range numbers {
		l.refresh(n)
	}
	l.changedLocked()
}

// Knows says whether the view has a claim or a number of the Service: it may well exist.
func (l *Ledger) Knows(service types.NamespacedName) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.claimedBy[service]) > 0 || len(l.carriedBy[service]) > 0
}
