package allocator

import (
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// NumberOf is the number that an allocation stands for; false where its name is none.
func NumberOf(a *v1alpha1.NodePortAllocation) (int32, bool) {
	n, err := strconv.ParseUint(a.Name, 10, 16)
	return int32(n), err == nil && n > 0
}

// NameOf is the name of the allocation of a number.
func NameOf(number int32) string { return strconv.Itoa(int(number)) }

// OwnerOf is the Service that has an allocation's number, or had it last.
func OwnerOf(a *v1alpha1.NodePortAllocation) types.NamespacedName {
	return types.NamespacedName{Namespace: a.Spec.ServiceRef.Namespace, Name: a.Spec.ServiceRef.Name}
}

// ClaimGrace is how long a claim waits for its Service to appear.
const ClaimGrace = 90 * time.Second

// State is what a claim is at a moment.
type State int

const (
	// Bound claims have a Service that has been seen with the number.
	Bound State = iota
	// Pending claims have a Service that is just being created or changed.
	Pending
	// Held claims have lost their Service; the number is kept for it for a while.
	Held
	// Reserved claims are kept for their Service by a reservation, whether or not it exists.
	Reserved
	// Lapsed claims have not been used in time.
	Lapsed
)

// StateOf is the state of a claim at a time.
func StateOf(a *v1alpha1.NodePortAllocation, now time.Time) State {
	spec := &a.Spec
	switch {
	case spec.ServiceUID != "":
		return Bound
	case spec.ReservationName != "":
		return Reserved
	case spec.ClaimTime != nil && now.Before(spec.ClaimTime.Add(ClaimGrace)):
		return Pending
	case spec.HoldUntil != nil && now.Before(spec.HoldUntil.Time):
		return Held
	}
	return Lapsed
}

// holderOf is the Service that a claim stands for. A hold that has ended counts as one until it is cleared away.
func holderOf(a *v1alpha1.NodePortAllocation, now time.Time) rules.Holder {
	h := rules.Holder{Service: OwnerOf(a), Reservation: a.Spec.ReservationName}
	if state := StateOf(a, now); (state == Held || state == Lapsed) && a.Spec.HoldUntil != nil {
		h.HeldUntil = a.Spec.HoldUntil.Time
	}
	return h
}

// Release turns a claim into a hold for the Service that had it; with hold 0 it lapses at once. One that is reserved
// is kept as it is.
func Release(spec *v1alpha1.NodePortAllocationSpec, now time.Time, hold time.Duration) {
	spec.ServiceUID, spec.ClaimTime, spec.HoldUntil = "", nil, nil
	if spec.ReservationName == "" {
		until := metav1.NewTime(now.Add(hold))
		spec.HoldUntil = &until
	}
}

// Unreserve takes a reservation's promise away. What no Service has is held for a while, as after a Service has gone.
func Unreserve(spec *v1alpha1.NodePortAllocationSpec, now time.Time, hold time.Duration) {
	spec.ReservationName = ""
	if spec.ServiceUID == "" {
		Release(spec, now, hold)
	}
}

// AllocatedPorts are entries of a Service as the ledger notes them.
func AllocatedPorts(ports []serviceports.Port) []v1alpha1.AllocatedPort {
	allocated := make([]v1alpha1.AllocatedPort, len(ports))
	for i, p := range ports {
		allocated[i] = v1alpha1.AllocatedPort{Name: p.Name, Port: p.Port, Protocol: p.Protocol}
	}
	return allocated
}
