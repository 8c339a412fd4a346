package controllers

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"
	corev1 "k8s.io/api/core/v1"

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
// Services of other namespaces it tells nothing but that they are there.
func conflictTrouble(svc *corev1.Service, shared map[int32][]corev1.Service, free []int32) trouble {
	var texts, advice []string
	for _, request := range serviceports.Requests(svc) {
		others := othersAs(svc, shared[request.NodePort])
		if len(others) == 0 {
			continue
		}
		texts = append(texts, fmt.Sprintf("node port %d is also carried by %s", request.NodePort, strings.Join(others, " and ")))
		if request.Role == serviceports.HealthCheck || len(free) == 0 {
			advice = append(advice, "delete and create one of them to give it another number")
			continue
		}
		advice = append(advice, "to give this one another number: "+renumbering(svc, request, free[0]))
		free = free[1:]
	}
	return trouble{reason: reasonConflict, message: strings.Join(texts, "; "), advice: strings.Join(advice, "; ")}
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

// spread begins elsewhere in free for each Service, so that two that are mended at the same time are not sent to the
// same number.
func spread(svc *corev1.Service, free []int32) []int32 {
	if len(free) == 0 {
		return nil
	}
	begin := xxhash.Sum64String(nameOf(svc).String()) % uint64(len(free))
	return slices.Concat(free[begin:], free[:begin])
}

// renumbering is the command that gives a Service another number.
func renumbering(svc *corev1.Service, request serviceports.Request, number int32) string {
	var patch []string
	for _, p := range request.Ports {
		patch = append(patch, fmt.Sprintf(`{"op":"replace","path":"/spec/ports/%d/nodePort","value":%d}`, p.Index, number))
	}
	return fmt.Sprintf("kubectl -n %s patch service %s --type=json -p '[%s]'", svc.Namespace, svc.Name, strings.Join(patch, ","))
}
