package picture

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
)

// State is what a number is at the moment. The words are the reasons of condition Bound, where it has one for it, as in the
// column STATE of kubectl get npa.
type State string

const (
	// Free numbers are nobody's.
	Free State = "Free"
	// InUse numbers are carried by a Service.
	InUse State = "InUse"
	// Pending numbers are claimed for a Service that is just being created.
	Pending State = "Pending"
	// Held numbers are kept for the Service that had them last, for a while, and after that until the leader gives them up.
	Held State = "Held"
	// Reserved numbers are kept by a reservation for a Service that does not carry them.
	Reserved State = "Reserved"
	// Conflict is a number that several Services carry.
	Conflict State = "Conflict"
	// Clashing numbers are nobody's, and are not handed out: something else uses them on a node.
	Clashing State = "Clashing"
	// Outside numbers are not in the cluster's node port range, and nobody's.
	Outside State = "Outside"
	// Unknown numbers are none of those that the caller may read of.
	Unknown State = "Unknown"
)

// Number is what there is to know of a number.
type Number struct {
	Number int32
	State  State
	// Lapsed: what it is held or claimed for is over, and the leader has not given it up yet.
	Lapsed bool
	// Pool has the number in its ranges: the commons where none does, nil outside the cluster's range, and where pools may
	// not be read.
	Pool *rules.Pool
	// Usage lists it as a namespace's; nil: none does, or the ledger may be read, which knows more.
	Usage *v1alpha1.NodePortUsage
	// Allocation is its entry in the ledger; nil: none.
	Allocation *v1alpha1.NodePortAllocation
	// Carriers are the Services that have it in their spec.
	Carriers []*corev1.Service
	// Reservation keeps it; nil: none does.
	Reservation *v1alpha1.NodePortReservation
	// Clashes are what else uses it on nodes.
	Clashes []rules.Clash
}

// Number looks one up.
func (p *Picture) Number(n int32) Number {
	found := Number{
		Number:      n,
		Allocation:  p.allocations[n],
		Carriers:    p.carriers[n],
		Reservation: p.reservations[n],
		Clashes:     p.ledger.Clashes(n),
	}
	if p.Complete(Pools) {
		found.Pool = p.Chart().PoolOf(n)
	}
	if !p.Complete(Allocations) {
		found.Usage = p.used[n]
	}
	found.State = p.stateOf(found)
	found.Lapsed = found.Allocation != nil && len(found.Carriers) == 0 && allocator.StateOf(found.Allocation, p.Now) == allocator.Lapsed
	return found
}

// Taken are the numbers that somebody has, or that something else uses, ascending; also those outside the cluster's range.
func (p *Picture) Taken() []Number {
	numbers := map[int32]bool{}
	for n := range p.allocations {
		numbers[n] = true
	}
	for n := range p.carriers {
		numbers[n] = true
	}
	if !p.Complete(Allocations) {
		for n := range p.used {
			numbers[n] = true
		}
	}
	for _, n := range p.ledger.ClashingNumbers() {
		numbers[n] = true
	}
	var taken []Number
	for _, n := range slices.Sorted(maps.Keys(numbers)) {
		taken = append(taken, p.Number(n))
	}
	return taken
}

func (p *Picture) stateOf(n Number) State {
	switch {
	case n.shared():
		return Conflict
	case len(n.Carriers) > 0:
		return InUse
	case n.Allocation != nil:
		return p.kept(n.Allocation)
	case n.Number < p.ClusterRange.From || n.Number > p.ClusterRange.To:
		return Outside
	case len(n.Clashes) > 0:
		return Clashing
	case p.Complete(Allocations, Services):
		return Free
	}
	return p.guessed(n)
}

// guessed is what one who may not read the ledger knows of a number that none of his Services carries.
func (p *Picture) guessed(n Number) State {
	switch {
	case n.Reservation != nil:
		return Reserved
	case n.Usage != nil:
		return Held // what else would be in a namespace's usage
	}
	return Unknown
}

// kept is the state of a number of the ledger's that no Service carries.
func (p *Picture) kept(a *v1alpha1.NodePortAllocation) State {
	switch s := allocator.StateOf(a, p.Now); {
	case s == allocator.Bound:
		return InUse
	case s == allocator.Reserved:
		return Reserved
	case s == allocator.Held, s == allocator.Lapsed && a.Spec.HoldUntil != nil:
		return Held
	}
	return Pending
}

// shared says whether Services share the number through a hole of the API server's, or one has a number that is kept for
// another.
func (n Number) shared() bool {
	if len(n.Carriers) > 1 {
		return true
	}
	if n.Allocation == nil || len(n.Carriers) == 0 || n.Allocation.Spec.ServiceUID == "" && n.Allocation.Spec.ReservationName == "" {
		return false
	}
	return nameOf(n.Carriers[0]) != allocator.OwnerOf(n.Allocation)
}

// Owner is the Service that has the number, or that it is kept for; false: nobody has it.
func (n Number) Owner() (types.NamespacedName, bool) {
	switch {
	case n.Allocation != nil:
		return allocator.OwnerOf(n.Allocation), true
	case len(n.Carriers) > 0:
		return nameOf(n.Carriers[0]), true
	case n.Reservation != nil:
		return types.NamespacedName{Namespace: n.Reservation.Namespace, Name: n.Reservation.Spec.ServiceName}, true
	}
	return types.NamespacedName{}, false
}

// Holder is the Service that has the number and carries it; nil: none does.
func (n Number) Holder() *corev1.Service {
	owner, _ := n.Owner()
	for _, svc := range n.Carriers {
		if nameOf(svc) == owner {
			return svc
		}
	}
	return nil
}

// Troubled says whether traffic to a Service's number may go astray: others carry it too, or something else uses it.
func (n Number) Troubled() bool {
	return n.State == Conflict || n.State == InUse && len(n.Clashes) > 0
}

// PoolName is that of the pool which the number was taken from, or is in now; empty: none's.
func (n Number) PoolName() string {
	switch {
	case n.Allocation != nil:
		return n.Allocation.Spec.PoolName
	case n.Pool != nil:
		return n.Pool.Name
	case n.Usage != nil:
		return n.Usage.Name
	}
	return ""
}

func nameOf(svc *corev1.Service) types.NamespacedName {
	return types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name}
}
