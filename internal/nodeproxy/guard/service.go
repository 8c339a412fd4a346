package guard

import (
	"cmp"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// service is what the guard knows of a Service.
type service struct {
	name    types.NamespacedName
	created time.Time
	labels  map[string]string
	// ports are its node ports, healthChecks those that load balancers ask: they stay open.
	ports        []namedPort
	healthChecks []nft.Port
}

// namedPort is a node port and the name that the Service has for it.
type namedPort struct {
	nft.Port
	name string
}

// serviceOf reads a Service; nil is one that has gone.
func serviceOf(name types.NamespacedName, object *corev1.Service) *service {
	s := &service{name: name}
	if object == nil {
		return s
	}
	s.created, s.labels = object.CreationTimestamp.Time, object.Labels
	for _, u := range serviceports.Uses(object) {
		switch port, ok := nft.PortOf(u.Protocol, u.NodePort); {
		case !ok:
		case u.Role == serviceports.HealthCheck:
			s.healthChecks = append(s.healthChecks, port)
		default:
			s.ports = append(s.ports, namedPort{port, u.Name})
		}
	}
	return s
}

func (s *service) equal(o *service) bool {
	return s.created.Equal(o.created) && maps.Equal(s.labels, o.labels) &&
		slices.Equal(s.ports, o.ports) && slices.Equal(s.healthChecks, o.healthChecks)
}

// gone says whether there is nothing to guard.
func (s *service) gone() bool { return len(s.ports)+len(s.healthChecks) == 0 }

// uses are all its numbers.
func (s *service) uses() []nft.Port {
	all := slices.Clone(s.healthChecks)
	for _, p := range s.ports {
		all = append(all, p.Port)
	}
	return all
}

// portName is its name for a port, which is one of its.
func (s *service) portName(port nft.Port) string {
	return s.ports[slices.IndexFunc(s.ports, func(p namedPort) bool { return p.Port == port })].name
}

// before orders Services that claim one port, as route does: the older has it.
func (s *service) before(o *service) int {
	return cmp.Or(
		s.created.Compare(o.created),
		cmp.Compare(s.name.Namespace, o.name.Namespace),
		cmp.Compare(s.name.Name, o.name.Name),
	)
}
