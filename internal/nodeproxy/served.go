package nodeproxy

import (
	"cmp"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// served are the node ports that plans have, by Service.
type served struct {
	ports map[types.NamespacedName][]uint16
	// all are those of all Services, in order; nil after a change.
	all []uint16
}

func newServed() *served { return &served{ports: map[types.NamespacedName][]uint16{}} }

// set notes a Service's.
func (s *served) set(name types.NamespacedName, plan route.Plan) {
	ports := nodePorts(plan)
	if slices.Equal(s.ports[name], ports) {
		return
	}
	if s.all, s.ports[name] = nil, ports; len(ports) == 0 {
		delete(s.ports, name)
	}
}

// numbers are those of all Services, in order, each once. Nobody may write to them.
func (s *served) numbers() []uint16 {
	if s.all == nil {
		s.all = slices.Compact(slices.Sorted(func(yield func(uint16) bool) {
			for ports := range maps.Values(s.ports) {
				for _, port := range ports {
					if !yield(port) {
						return
					}
				}
			}
		}))
	}
	return s.all
}

// nodePorts are the numbers of a plan, in order: of its frontends, and where a load balancer asks for health.
func nodePorts(plan route.Plan) []uint16 {
	var ports []uint16
	for _, r := range plan.Routes {
		if r.NodePort() {
			ports = append(ports, r.Port)
		}
	}
	if port := plan.HealthCheck.Port; port != 0 {
		ports = append(ports, port)
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

func compareNames(a, b types.NamespacedName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
