package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/metrics"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// conflicts are the numbers that several Services carry, for the metric.
type conflicts struct {
	mu      sync.Mutex // guards numbers
	numbers map[int32]bool
}

func newConflicts() *conflicts { return &conflicts{numbers: map[int32]bool{}} }

// note takes in how many Services carry a number.
func (c *conflicts) note(o observed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(o.carriers) > 1 {
		c.numbers[o.number] = true
	} else {
		delete(c.numbers, o.number)
	}
	metrics.Conflicts.Set(float64(len(c.numbers)))
}

// conflictTrouble tells the owner of a Service which of its numbers others carry too, and how to give it free ones. Of
// Services of other namespaces it tells nothing but that they are there. Labels are those of its namespace.
func conflictTrouble(svc *corev1.Service, labels map[string]string, shared map[int32][]corev1.Service) trouble {
	t := trouble{reason: reasonConflict}
	var texts []string
	for _, request := range serviceports.Requests(svc) {
		others := othersAs(svc, shared[request.NodePort])
		if len(others) == 0 {
			continue
		}
		texts = append(texts, fmt.Sprintf("node port %d is also carried by %s", request.NodePort, strings.Join(others, " and ")))
		t.remedies = append(t.remedies, remediesFor(nameOf(svc), labels, []serviceports.Request{request}, request.NodePort)...)
	}
	if len(texts) > 0 {
		t.message, t.otherwise = strings.Join(texts, "; "), "delete and create one of them to give it another number"
	}
	return t
}

// observeConflict finds how to give other numbers to those that share one with its holder, for operators.
func (r *allocationReconciler) observeConflict(ctx context.Context, o *observed) error {
	if o.allocation == nil || len(o.carriers) < 2 {
		return nil
	}
	oldestFirst(o.carriers) // so that all are advised the same each time
	var remedies []remedy
	for _, svc := range o.carriers {
		if nameOf(svc) == allocator.OwnerOf(o.allocation) {
			continue
		}
		namespace, err := found(ctx, r, types.NamespacedName{Name: svc.Namespace}, &corev1.Namespace{})
		if err != nil {
			return fmt.Errorf("read namespace %s: %w", svc.Namespace, err)
		}
		if namespace != nil {
			remedies = append(remedies, remediesFor(nameOf(svc), namespace.Labels, serviceports.Requests(svc), o.number)...)
		}
	}
	o.advice = advice(remedies, freeIn(r.ledger, r.ledger.Chart()))
	return nil
}

// othersAs are the other Services of carriers as the owner of svc may read of them.
func othersAs(svc *corev1.Service, carriers []corev1.Service) []string {
	var others []string
	for i := range carriers {
		switch other := &carriers[i]; {
		case nameOf(other) == nameOf(svc):
		case other.Namespace == svc.Namespace:
			others = append(others, fmt.Sprintf("Service %q", other.Name))
		default:
			others = append(others, "a Service in another namespace")
		}
	}
	slices.Sort(others)
	return slices.Compact(others)
}
