package controllers

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/fleet"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// pendingPatience is how long a claim may be pending before its status says so: nearly all are bound at once, and
// need not be written twice.
const pendingPatience = 5 * time.Second

// adviceAge is how old the commands of a conflict may be: other Services take the numbers that they name.
const adviceAge = time.Minute

// observed is all that is known of one number.
type observed struct {
	number     int32
	allocation *v1alpha1.NodePortAllocation // nil: none
	carriers   []*corev1.Service            // the Services that carry it
	fulfilled  bool                         // the claim's Service has been seen with it since, and without it after that
	behind     bool                         // the claim has been written since its Service was, as far as that has been seen
	pool       string                       // that has it now
	poolGone   bool                         // the pool that it was taken from has been deleted
	hold       time.Duration                // for which it is kept when it is released
	nodes      fleet.Covered                // the nodes that have it
	used       fleet.Used                   // what nodes say of its use
	idleAfter  time.Duration                // when it is idle; 0: never
	turn       bool                         // what nodes report may be written by itself
	wait       time.Duration                // until the next turn; 0: none has been asked for
	advice     string                       // how to give another number to those that share this one
	now        time.Time
}

// change is what is to be done with an allocation.
type change string

const (
	keep    change = ""
	adopt   change = "adopted"   // create it for a Service that carries the number without
	bind    change = "bound"     // its Service has been seen, or seen changed
	succeed change = "succeeded" // its Service has gone, another one carries the number
	release change = "released"  // its Service has gone: hold the number
	drop    change = "dropped"   // its hold has ended
	lapse   change = "lapsed"    // nobody came for it: a leak
)

// repairs are the changes that put something right; the others are the ordinary life of a number.
var repairs = map[change]bool{adopt: true, succeed: true, lapse: true}

// plan is what is to be done about a number.
type plan struct {
	change change
	spec   v1alpha1.NodePortAllocationSpec // after adopt, bind, succeed and release
	// confirm: only once the API server itself says that the Service does not carry the number; for bind, that this very
	// Service does. One that is being created anew has the name of the one before, which may be all that has been seen.
	confirm bool
	// again is when to look again; 0: at the next event.
	again time.Duration
}

// planFor decides about a number. Nothing is released or dropped while a Service carries it. It leaves the carriers
// sorted, the oldest first.
func planFor(o observed) plan {
	oldestFirst(o.carriers)
	if o.allocation == nil {
		if len(o.carriers) == 0 {
			return plan{}
		}
		return plan{change: adopt, spec: o.adopted()}
	}
	if owner := o.owner(); owner != nil {
		return o.carriedBy(owner)
	}
	state := allocator.StateOf(o.allocation, o.now)
	switch {
	case state == allocator.Pending && !o.fulfilled:
		return plan{again: o.allocation.Spec.ClaimTime.Add(allocator.ClaimGrace).Sub(o.now)}
	case len(o.carriers) > 0:
		return plan{change: succeed, spec: o.adopted(), confirm: true}
	case state == allocator.Bound || state == allocator.Pending:
		p := plan{change: release, spec: *o.allocation.Spec.DeepCopy(), confirm: true}
		allocator.Release(&p.spec, o.now, o.hold)
		return p
	case state == allocator.Reserved:
		return plan{}
	case state == allocator.Held && !o.poolGone:
		return plan{again: o.allocation.Spec.HoldUntil.Sub(o.now)}
	case o.allocation.Spec.HoldUntil == nil:
		return plan{change: lapse, confirm: true}
	}
	return plan{change: drop, confirm: true}
}

// carriedBy is the plan for an allocation whose Service carries the number.
func (o observed) carriedBy(owner *corev1.Service) plan {
	p := plan{spec: boundTo(o.allocation.Spec, owner, o.number)}
	if len(o.carriers) > 1 {
		p.again = adviceAge
	}
	if !equality.Semantic.DeepEqual(p.spec, o.allocation.Spec) {
		p.change = bind
		p.confirm = o.behind && owner.UID != o.allocation.Spec.ServiceUID
	}
	return p
}

// oldestFirst puts the Service that came first in front: of several that share a number it has the better claim.
func oldestFirst(services []*corev1.Service) {
	slices.SortFunc(services, func(a, b *corev1.Service) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time),
			strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
}

// adopted is the claim of the oldest Service that carries the number; its pool is the one that has it today.
func (o observed) adopted() v1alpha1.NodePortAllocationSpec {
	return boundTo(v1alpha1.NodePortAllocationSpec{PoolName: o.pool, Origin: v1alpha1.OriginAdopted}, o.carriers[0], o.number)
}

// owner is the Service of the allocation, if it carries the number.
func (o observed) owner() *corev1.Service {
	for _, svc := range o.carriers {
		if nameOf(svc) == allocator.OwnerOf(o.allocation) {
			return svc
		}
	}
	return nil
}

// boundTo is a claim's spec as it is once the Service is seen with the number.
func boundTo(spec v1alpha1.NodePortAllocationSpec, svc *corev1.Service, number int32) v1alpha1.NodePortAllocationSpec {
	spec.ServiceRef = v1alpha1.ServiceReference{Namespace: svc.Namespace, Name: svc.Name}
	spec.ServiceUID = svc.UID
	spec.ClaimTime, spec.HoldUntil = nil, nil
	for _, r := range serviceports.Requests(svc) {
		if r.NodePort == number {
			spec.Role = v1alpha1.Role(r.Role)
			spec.Ports = allocator.AllocatedPorts(r.Ports)
		}
	}
	return spec
}

func nameOf(svc *corev1.Service) types.NamespacedName {
	return types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name}
}
