package nodeproxy

import (
	"maps"
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
	of  map[types.NamespacedName]map[clash.Port]clash.Use
	all map[clash.Port]clash.Use
}

func newNumbers() *numbers {
	return &numbers{
		noted: map[types.NamespacedName]*corev1.Service{},
		of:    map[types.NamespacedName]map[clash.Port]clash.Use{},
		all:   map[clash.Port]clash.Use{},
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
		has := usesOf(svc)
		if maps.Equal(n.of[name], has) {
			continue
		}
		changed = true
		if n.of[name] = has; len(has) == 0 {
			delete(n.of, name)
		}
	}
	if changed {
		n.unite()
	}
	return changed
}

// unite makes all anew. Of a number that one Service has for health checks and another as its node port it is the latter.
func (n *numbers) unite() {
	n.all = make(map[clash.Port]clash.Use, len(n.all))
	for _, has := range n.of {
		for port, use := range has {
			if n.all[port] != clash.NodePort {
				n.all[port] = use
			}
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

// usesOf are the numbers of a Service; nil is one that has gone.
func usesOf(svc *corev1.Service) map[clash.Port]clash.Use {
	if svc == nil {
		return nil
	}
	var uses map[clash.Port]clash.Use
	add := func(protocol corev1.Protocol, number int32, use clash.Use) {
		if uses == nil {
			uses = map[clash.Port]clash.Use{}
		}
		uses[clash.Port{Protocol: protocol, Number: number}] = use
	}
	for _, r := range serviceports.Requests(svc) {
		switch {
		case r.NodePort == 0:
		case r.Role == serviceports.HealthCheck:
			add(corev1.ProtocolTCP, r.NodePort, clash.HealthCheck)
		default:
			for _, p := range r.Ports {
				add(p.Protocol, r.NodePort, clash.NodePort)
			}
		}
	}
	return uses
}
