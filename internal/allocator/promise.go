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
// or changed. They go by the names of its entries; no pool is asked, and nothing need be claimed for them.
func (l *Ledger) FillReserved(c Claimant, svc *corev1.Service) {
	requests := serviceports.Requests(svc)
	has := serviceports.Numbers(serviceports.Stored(svc))
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range slices.Sorted(maps.Keys(l.claimedBy[c.Service])) {
		claim := l.claims[n]
		live := c.UID != "" && claim.Spec.ServiceUID == c.UID
		if claim.Spec.ReservationName == "" || live || slices.Contains(has, n) || l.carriedByOther(n, c) {
			continue
		}
		for i, r := range requests {
			if r.NodePort == 0 && sameName(claim, Request{Request: r}) {
				requests[i].NodePort = n
				break
			}
		}
	}
	serviceports.Set(svc, slices.DeleteFunc(requests, func(r serviceports.Request) bool { return r.NodePort == 0 }))
}
