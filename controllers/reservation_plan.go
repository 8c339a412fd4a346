package controllers

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// The number of an entry of a reservation is the one that it names. Else it is the one that was chosen for it before,
// or that the Service has under its name, or had last; and where there is none, a new one of the pools. Several entries
// go by one number only where they name it, or where the Service has them on it.

// reserving is all that is known of a reservation.
type reserving struct {
	name        types.NamespacedName
	reservation *v1alpha1.NodePortReservation          // nil: it has gone
	claims      map[int32]*v1alpha1.NodePortAllocation // all of its namespace
	service     *corev1.Service                        // nil: there is none
	namespace   *corev1.Namespace                      // nil: it has gone
	chart       *rules.Chart
	ledger      rules.Ledger
	now         time.Time
}

// promise is what is to be done for a reservation.
type promise struct {
	// reservation has the numbers that it goes by; those that are yet to be chosen are 0.
	reservation *v1alpha1.NodePortReservation
	// kept are the numbers that are claimed for it.
	kept []int32
	// open are to be claimed, by the answer to the question.
	open     []serviceports.Request
	question rules.Question
	answer   rules.Answer
}

// promiseFor decides which numbers a reservation goes by, and which of them may be claimed.
func promiseFor(o reserving) *promise {
	p := &promise{reservation: o.withNumbers()}
	wanted := p.requests()
	for _, n := range o.own() {
		if slices.ContainsFunc(wanted, func(r serviceports.Request) bool { return r.NodePort == n }) {
			p.kept = append(p.kept, n)
		}
	}
	p.question = rules.ReservationQuestion(p.reservation, p.kept, o.namespace.Labels, o.now)
	p.answer = rules.Judge(o.chart, o.ledger, p.question)
	p.open = p.answer.Claimable()
	return p
}

// requests are the reservation's, one for each number.
func (p *promise) requests() []serviceports.Request {
	return serviceports.Requests(rules.ReservationQuestion(p.reservation, nil, nil, time.Time{}).Service)
}

// take notes numbers that have been claimed.
func (p *promise) take(claimed []serviceports.Request) {
	for _, r := range claimed {
		p.kept = append(p.kept, r.NodePort)
		for _, entry := range r.Ports {
			p.reservation.Spec.Ports[entry.Index].NodePort = r.NodePort
		}
	}
}

// serviceName is the Service that the reservation is for.
func (o reserving) serviceName() types.NamespacedName {
	return types.NamespacedName{Namespace: o.name.Namespace, Name: o.reservation.Spec.ServiceName}
}

// promised are the numbers, ascending, that reservations of this name keep.
func (o reserving) promised() []int32 {
	return slices.DeleteFunc(o.numbers(), func(n int32) bool { return o.claims[n].Spec.ReservationName != o.name.Name })
}

// own are those of them that are for its Service: a former reservation of this name may have been for another.
func (o reserving) own() []int32 {
	return slices.DeleteFunc(o.promised(), func(n int32) bool { return allocator.OwnerOf(o.claims[n]) != o.serviceName() })
}

// numbers are all that are claimed in the namespace, ascending.
func (o reserving) numbers() []int32 { return slices.Sorted(maps.Keys(o.claims)) }

// withNumbers is the reservation with a number for each entry that has one or can go by one.
func (o reserving) withNumbers() *v1alpha1.NodePortReservation {
	r := o.reservation.DeepCopy()
	for i := range r.Spec.Ports {
		if r.Spec.Ports[i].NodePort != 0 {
			continue
		}
		for _, n := range o.candidates(r.Spec.Ports[i].Name) {
			if n != r.Spec.HealthCheckNodePort && o.mayShare(r.Spec.Ports, i, n) {
				r.Spec.Ports[i].NodePort = n
				break
			}
		}
	}
	return r
}

// candidates are the numbers that an entry which names none could go by, the best first.
func (o reserving) candidates(entry string) []int32 {
	var reserved, had []int32
	own, chosen := o.own(), o.chosen(entry)
	if slices.Contains(own, chosen) {
		reserved = append(reserved, chosen)
	}
	for _, n := range own {
		if slices.Contains(namesOf(o.claims[n]), entry) {
			reserved = append(reserved, n)
		}
	}
	if n := o.carried()[entry]; n != 0 {
		had = append(had, n)
	}
	lastHad := slices.DeleteFunc(o.numbers(), func(n int32) bool { return allocator.OwnerOf(o.claims[n]) != o.serviceName() })
	for _, n := range lastHad {
		if slices.Contains(namesOf(o.claims[n]), entry) {
			had = append(had, n)
		}
	}
	had = append(had, o.only(lastHad)...)
	had = append(had, chosen) // its claim may have been lost
	return slices.Concat(reserved, slices.DeleteFunc(had, func(n int32) bool { return !o.toBeHad(n) }))
}

// only is the number that the Service has, or had last, where that is one and the reservation is of one: whatever the
// names, it is the one that is meant.
func (o reserving) only(lastHad []int32) []int32 {
	has := slices.Compact(slices.Sorted(maps.Values(o.carried())))
	switch {
	case len(o.reservation.Spec.Ports) != 1 || o.reservation.Spec.HealthCheckNodePort != 0:
		return nil
	case len(has) == 1:
		return has
	case len(has) == 0 && len(lastHad) == 1 && o.claims[lastHad[0]].Spec.Role != v1alpha1.RoleHealthCheck:
		return lastHad
	}
	return nil
}

// chosen is the number that the status has for an entry; 0 for none.
func (o reserving) chosen(entry string) int32 {
	for _, p := range o.reservation.Status.Ports {
		if p.Name == entry {
			return p.NodePort
		}
	}
	return 0
}

// carried are the numbers that the Service has, by the names of its entries.
func (o reserving) carried() map[string]int32 {
	numbers := map[string]int32{}
	if o.service == nil {
		return numbers
	}
	for _, r := range serviceports.Requests(o.service) {
		for _, p := range r.Ports {
			numbers[p.Name] = r.NodePort
		}
	}
	return numbers
}

// namesOf are the entries that a number was claimed for; none for a health check's.
func namesOf(a *v1alpha1.NodePortAllocation) []string {
	var names []string
	if a != nil && a.Spec.Role != v1alpha1.RoleHealthCheck {
		for _, p := range a.Spec.Ports {
			names = append(names, p.Name)
		}
	}
	return names
}

// toBeHad says whether the namespace may have a number, and nobody else does.
func (o reserving) toBeHad(n int32) bool {
	pool := o.chart.PoolOf(n)
	if named := o.reservation.Spec.PoolName; pool == nil || named != "" && pool.Name != named {
		return false
	}
	return slices.Contains(o.chart.PoolsFor(o.namespace.Labels), pool) &&
		!slices.ContainsFunc(o.ledger.Holders(n), func(h rules.Holder) bool {
			return h.Service != o.serviceName() || h.Reservation != "" && h.Reservation != o.name.Name
		})
}

// mayShare says whether entry i may go by a number beside all others that do: the Service has, or had, them on it.
func (o reserving) mayShare(ports []v1alpha1.ReservedPort, i int, n int32) bool {
	together := namesOf(o.claims[n])
	for name, number := range o.carried() {
		if number == n {
			together = append(together, name)
		}
	}
	mine := slices.Contains(together, ports[i].Name)
	for j, other := range ports {
		if j != i && other.NodePort == n && (!mine || !slices.Contains(together, other.Name)) {
			return false
		}
	}
	return true
}

// asClaimed are requests with their origin.
func (o reserving) asClaimed(requests []serviceports.Request) []allocator.Request {
	claims := make([]allocator.Request, len(requests))
	for i, request := range rules.Promises(requests) {
		claims[i] = allocator.Request{Request: request, Origin: o.originOf(request)}
	}
	return claims
}

// originOf is Explicit for a number that the reservation names, Adopted for one that the Service has without a claim:
// nobody has come to adopt it yet.
func (o reserving) originOf(r serviceports.Request) v1alpha1.Origin {
	switch {
	case o.claims[r.NodePort] == nil && slices.Contains(numbersOf(o.service), r.NodePort):
		return v1alpha1.OriginAdopted
	case len(r.Ports) > 0 && o.reservation.Spec.Ports[r.Ports[0].Index].NodePort == 0:
		return v1alpha1.OriginAutomatic
	}
	return v1alpha1.OriginExplicit
}

// corrections are the claims of the reservation that have to be changed, as they are to be: promises that no entry
// wants any more are taken away, and what the Service does not have goes by the names of the entries.
func (o reserving) corrections(p *promise) []*v1alpha1.NodePortAllocation {
	var corrected []*v1alpha1.NodePortAllocation
	for _, n := range o.promised() {
		before := o.claims[n]
		after := before.DeepCopy()
		if p == nil || allocator.OwnerOf(before) != o.serviceName() || !slices.Contains(p.kept, n) {
			allocator.Unreserve(&after.Spec, o.now, holdFor(o.chart, n, o.namespace))
		} else if before.Spec.ServiceUID == "" {
			p.rename(&after.Spec, n)
		}
		if !equality.Semantic.DeepEqual(before.Spec, after.Spec) {
			corrected = append(corrected, after)
		}
	}
	return corrected
}

// rename has a claim go by the names of the entries that it is kept for, whatever its Service called them last.
func (p *promise) rename(spec *v1alpha1.NodePortAllocationSpec, n int32) {
	wanted := map[string]bool{}
	for _, r := range p.requests() {
		for _, entry := range r.Ports {
			wanted[entry.Name] = r.NodePort == n
		}
		if r.NodePort == n {
			spec.Role = v1alpha1.Role(r.Role)
		}
	}
	// Entries of the Service that nothing is reserved for may stay.
	spec.Ports = slices.DeleteFunc(spec.Ports, func(a v1alpha1.AllocatedPort) bool {
		here, reserved := wanted[a.Name]
		delete(wanted, a.Name)
		return reserved && !here
	})
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if wanted[name] {
			spec.Ports = append(spec.Ports, v1alpha1.AllocatedPort{Name: name})
		}
	}
}

// holdFor is how long a number is held for its last owner: not at all where the owner's namespace would not be given
// it any more. A namespace that has gone (nil) may come back, with its Services.
func holdFor(chart *rules.Chart, n int32, namespace *corev1.Namespace) time.Duration {
	pool := chart.PoolOf(n)
	switch {
	case namespace != nil && !slices.Contains(chart.PoolsFor(namespace.Labels), pool):
		return 0
	case pool == nil:
		return rules.DefaultHold
	}
	return pool.Hold()
}
