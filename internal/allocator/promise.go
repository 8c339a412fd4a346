package allocator

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/serviceports"
)

// Reserved are the numbers, ascending, that a reservation keeps.
func (l *Ledger) Reserved(reservation types.NamespacedName) []int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var numbers []int32
	for n := range l.claimedIn[reservation.Namespace] {
		if l.claims[n].Spec.ReservationName == reservation.Name {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// FillReserved fills in the numbers that reservations keep for the Service of a claimant, which is about to be created
// or changed. They go by the names of its entries; where there is one number for one entry the names do not matter. No
// pool is asked, and nothing need be claimed for them.
func (l *Ledger) FillReserved(c Claimant, svc *corev1.Service) {
	requests := serviceports.Requests(svc)
	l.mu.Lock()
	kept := l.keptFor(c, serviceports.Numbers(serviceports.Stored(svc)))
	for _, n := range kept {
		i := slices.IndexFunc(requests, func(r serviceports.Request) bool {
			return r.NodePort == 0 && sameName(l.claims[n], Request{Request: r})
		})
		if i < 0 && len(kept) == 1 && len(requests) == 1 && requests[0].NodePort == 0 && sameRole(l.claims[n], Request{Request: requests[0]}) {
			i = 0
		}
		if i >= 0 {
			requests[i].NodePort = n
		}
	}
	l.mu.Unlock()
	serviceports.Set(svc, slices.DeleteFunc(requests, func(r serviceports.Request) bool { return r.NodePort == 0 }))
}

// keptFor are the numbers, ascending, that reservations keep for a Service and that neither it nor another carries. It
// has those of has already.
func (l *Ledger) keptFor(c Claimant, has []int32) []int32 {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(l.claimedBy[c.Service])), func(n int32) bool {
		claim := l.claims[n]
		live := c.UID != "" && claim.Spec.ServiceUID == c.UID
		return claim.Spec.ReservationName == "" || live || slices.Contains(has, n) || l.carriedByOther(n, c)
	})
}
