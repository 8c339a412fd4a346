package controllers

import (
	"context"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

const (
	// servicesByNumber finds the cached Services that carry a number, and by anyNumber those that mayHaveTrouble: of the
	// Services of a cluster they are few.
	servicesByNumber = "spec.nodePorts"
	anyNumber        = "any"
	// allocationsByNamespace finds the cached allocations for Services of a namespace.
	allocationsByNamespace = "spec.serviceRef.namespace"
	// reservationsWaiting finds the cached reservations that lack a number: see waitingFor.
	reservationsWaiting = "status.waiting"
)

func addIndexes(ctx context.Context, mgr manager.Manager) error {
	for _, index := range []struct {
		object client.Object
		name   string
		values client.IndexerFunc
	}{
		{&corev1.Service{}, servicesByNumber, namesOfNumbers},
		{&v1alpha1.NodePortAllocation{}, allocationsByNamespace, namespaceOfClaim},
		{&v1alpha1.NodePortReservation{}, reservationsWaiting, waitingFor},
	} {
		if err := mgr.GetFieldIndexer().IndexField(ctx, index.object, index.name, index.values); err != nil {
			return fmt.Errorf("index %T by %s: %w", index.object, index.name, err)
		}
	}
	return nil
}

func namesOfNumbers(o client.Object) []string {
	var names []string
	if mayHaveTrouble(o) {
		names = append(names, anyNumber)
	}
	for _, n := range numbersOf(o) {
		names = append(names, strconv.Itoa(int(n)))
	}
	return names
}

func namespaceOfClaim(o client.Object) []string {
	a, ok := o.(*v1alpha1.NodePortAllocation)
	if !ok {
		return nil
	}
	return []string{a.Spec.ServiceRef.Namespace}
}

// numbersOf are the numbers that a Service carries; none where o is nil, or no Service.
func numbersOf(o client.Object) []int32 {
	svc, ok := o.(*corev1.Service)
	if !ok || svc == nil {
		return nil
	}
	return serviceports.Numbers(serviceports.Requests(svc))
}

// allocationsOf are the requests for the allocations of a Service's numbers.
func allocationsOf(_ context.Context, o client.Object) []reconcile.Request {
	var requests []reconcile.Request
	for _, n := range numbersOf(o) {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: allocator.NameOf(n)}})
	}
	return requests
}
