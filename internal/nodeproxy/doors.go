package nodeproxy

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/nodeproxy/explain"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// doors are a Service's numbers on the node, for those who ask. The guard's own plan is the loop's, so they are read out
// of the same objects anew, but for the ports that it has no room for.
func (a *Agent) doors(svc *corev1.Service, crowded []nft.Port) []explain.Door {
	if svc == nil {
		return nil
	}
	var all []explain.Door
	taken := a.usage.taken()
	for _, u := range serviceports.Uses(svc) {
		port, _ := nft.PortOf(u.Protocol, u.NodePort)
		door := explain.Door{Port: port, HealthCheck: u.Role == serviceports.HealthCheck}
		if !door.HealthCheck {
			door.Crowded = slices.Contains(crowded, port)
			door.Selecting = a.selecting(svc, u.Name)
			door.Ceiling = a.ceilingAt(port.Number)
		}
		if n, counted := taken[port]; counted {
			door.New = &n
		}
		all = append(all, door)
	}
	return all
}

// selecting are the NodePortAccess objects that are about a Service's port, by name.
func (a *Agent) selecting(svc *corev1.Service, port string) []*access.Policy {
	var all []*access.Policy
	for _, object := range a.guardian.access.All() {
		if object.Namespace != svc.Namespace {
			continue
		}
		if p := access.NewPolicy(object); p.Selects(svc.Labels) && p.SelectsPort(port) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(p, o *access.Policy) int { return cmp.Compare(p.Name.Name, o.Name.Name) })
	return all
}

// ceilingAt is the pool that says who may reach a number, if the one that owns it says so.
func (a *Agent) ceilingAt(number uint16) *access.Pool {
	var owner *access.Pool
	for _, object := range a.guardian.pools.All() {
		if p := access.NewPool(object); p.Has(number) && (owner == nil || p.Compare(owner) < 0) {
			owner = p
		}
	}
	if owner == nil || !owner.Capped {
		return nil
	}
	return owner
}

// hasNumber says whether a Service has a number on the node.
func hasNumber(svc *corev1.Service, number uint16) bool {
	return svc != nil && slices.Contains(serviceports.Numbers(serviceports.Requests(svc)), int32(number))
}
