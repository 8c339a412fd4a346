package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// usersOf are those that keep a pool from being drained, the first by number, so many as are listed: Services that carry
// its numbers, and reservations. None where the pool is not draining.
func (r *poolReconciler) usersOf(ctx context.Context, pool *rules.Pool, chart *rules.Chart) ([]finding, error) {
	if pool.Spec.Allocation != v1alpha1.AllocationNone {
		return nil, nil
	}
	all := &v1alpha1.NodePortAllocationList{}
	if err := r.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list allocations: %w", err)
	}
	var claims []*v1alpha1.NodePortAllocation
	for i := range all.Items {
		a := &all.Items[i]
		n, ok := allocator.NumberOf(a)
		switch state := allocator.StateOf(a, r.clock.Now()); {
		case !ok || state == allocator.Held || state == allocator.Lapsed:
		case a.Spec.PoolName == pool.Name || chart.PoolOf(n) == pool:
			claims = append(claims, a)
		}
	}
	slices.SortFunc(claims, func(a, b *v1alpha1.NodePortAllocation) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	var users []finding
	for _, a := range claims[:min(len(claims), maxListed)] {
		user, err := r.userOf(ctx, a, chart)
		if err != nil {
			return nil, err
		}
		users = append(users, user)
	}
	return users, nil
}

// userOf is who has a claim, and how it gets another number: the reservation first, so that the number is the Service's.
func (r *poolReconciler) userOf(ctx context.Context, a *v1alpha1.NodePortAllocation, chart *rules.Chart) (finding, error) {
	user := finding{service: allocator.OwnerOf(a), what: []string{a.Name}}
	namespace, err := found(ctx, r, types.NamespacedName{Name: user.service.Namespace}, &corev1.Namespace{})
	if namespace == nil || err != nil {
		return user, err
	}
	svc, err := found(ctx, r, user.service, &corev1.Service{})
	if err != nil {
		return user, err
	}
	n, _ := allocator.NumberOf(a)
	var remedies []remedy
	if svc != nil {
		remedies = remediesFor(user.service, namespace.Labels, serviceports.Requests(svc), n)
	}
	if a.Spec.ReservationName != "" {
		user.what[0] += fmt.Sprintf(", reserved by %q", a.Spec.ReservationName)
		name := types.NamespacedName{Namespace: user.service.Namespace, Name: a.Spec.ReservationName}
		reservation, err := found(ctx, r, name, &v1alpha1.NodePortReservation{})
		if reservation == nil || err != nil {
			return user, err
		}
		remedies = reservedElsewhere(reservation, n, namespace.Labels, chart, remedies)
	}
	user.remedies = remedies
	return user, nil
}

// reservedElsewhere is how a reservation keeps another number in the place of n, and then how its Service, for which
// there are remedies where it carries the number, gets that one.
func reservedElsewhere(reservation *v1alpha1.NodePortReservation, n int32, labels map[string]string, chart *rules.Chart, its []remedy) []remedy {
	at := slices.IndexFunc(reservation.Spec.Ports, func(p v1alpha1.ReservedPort) bool {
		return p.NodePort == n || p.NodePort == 0 && slices.Contains(reservation.Status.Ports, v1alpha1.ReservedPortStatus{Name: p.Name, NodePort: n})
	})
	if at < 0 { // its health check's, which the Service cannot change
		return nil
	}
	name := types.NamespacedName{Namespace: reservation.Namespace, Name: reservation.Name}
	return []remedy{{name, n, labels, func(number int32) string {
		patch := []string{
			fmt.Sprintf(`{"op":"test","path":"/spec/ports/%d/name","value":%q}`, at, reservation.Spec.Ports[at].Name),
			fmt.Sprintf(`{"op":"add","path":"/spec/ports/%d/nodePort","value":%d}`, at, number),
		}
		if pool := chart.PoolOf(number); reservation.Spec.PoolName != "" && pool != nil {
			patch = append(patch, fmt.Sprintf(`{"op":"replace","path":"/spec/poolName","value":%q}`, pool.Name))
		}
		commands := []string{patchCommand(name, "nodeportreservation", patch)}
		for _, service := range its {
			commands = append(commands, service.command(number))
		}
		return strings.Join(commands, "; ")
	}}}
}
