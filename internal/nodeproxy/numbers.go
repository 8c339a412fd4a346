package nodeproxy

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/nodeproxy/clash"
	"github.com/portolan-dev/portolan/internal/nodeproxy/track"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// numbers are those that Services have, whoever serves them. The loop notes what has changed, and another goroutine takes
// that up: the loop never waits for what the other one makes of it.
type numbers struct {
	mu    sync.Mutex // guards noted
	noted map[types.NamespacedName]*corev1.Service

	// What follows is the taker's own.
	of     map[types.NamespacedName][]held
	counts map[held]int // Services that have it
	all    map[clash.Port]clash.Use
}

// held is a number that a Service has, and what for.
type held struct {
	clash.Port
	use clash.Use
}

func newNumbers() *numbers {
	return &numbers{
		noted:  map[types.NamespacedName]*corev1.Service{},
		of:     map[types.NamespacedName][]held{},
		counts: map[held]int{},
		all:    map[clash.Port]clash.Use{},
	}
}

// note notes Services as they are now.
func (n *numbers) note(changes []track.Change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range changes {
		n.noted[c.Name] = c.Service
	}
}

// take takes up what has been noted, and says whether any number has come or gone.
func (n *numbers) take() (changed bool) {
	n.mu.Lock()
	noted := n.noted
	n.noted = map[types.NamespacedName]*corev1.Service{}
	n.mu.Unlock()
	for name, svc := range noted {
		before, has := n.of[name], heldBy(svc)
		if slices.Equal(before, has) {
			continue
		}
		changed = true
		if n.of[name] = has; len(has) == 0 {
			delete(n.of, name)
		}
		n.count(has, 1)
		n.count(before, -1)
	}
	return changed
}

// count counts Services that have numbers, or have them no more. Of a number that one Service has for health checks and
// another as its node port it is the latter.
func (n *numbers) count(all []held, step int) {
	for _, h := range all {
		if n.counts[h] += step; n.counts[h] == 0 {
			delete(n.counts, h)
		}
		switch {
		case n.counts[held{h.Port, clash.NodePort}] > 0:
			n.all[h.Port] = clash.NodePort
		case n.counts[held{h.Port, clash.HealthCheck}] > 0:
			n.all[h.Port] = clash.HealthCheck
		default:
			delete(n.all, h.Port)
		}
	}
}

// sorted are the numbers without their protocols, in order, each once.
func (n *numbers) sorted() []int32 {
	all := make([]int32, 0, len(n.all))
	for port := range n.all {
		all = append(all, port.Number)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// heldBy are the numbers of a Service; nil is one that has gone.
func heldBy(svc *corev1.Service) []held {
	if svc == nil {
		return nil
	}
	var all []held
	for _, u := range serviceports.Uses(svc) {
		use := clash.NodePort
		if u.Role == serviceports.HealthCheck {
			use = clash.HealthCheck
		}
		all = append(all, held{clash.Port{Protocol: u.Protocol, Number: u.NodePort}, use})
	}
	return all
}
