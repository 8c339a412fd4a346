// Package picture is the state of a cluster's node ports at a moment, as the verbs of kubectl portolan see it. Everything
// here is pure: objects in, what they mean out.
//
// The policy:
//   - Admission and the verbs decide by the same code: the chart is that of package rules, the ledger that of package
//     allocator, fed with lists in the place of watches: see package snapshot.
//   - What the caller may not read is unknown, and never free.
package picture

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/cli/snapshot"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// Picture is a cluster at a moment. It does not change once made, so any number of goroutines may read it.
type Picture struct {
	Objects
	// Now is the moment.
	Now time.Time

	ledger       *allocator.Ledger
	allocations  map[int32]*v1alpha1.NodePortAllocation
	carriers     map[int32][]*corev1.Service
	reservations map[int32]*v1alpha1.NodePortReservation
	used         map[int32]*v1alpha1.NodePortUsage
}

// New draws the picture of objects, which it keeps.
func New(o Objects, now time.Time) *Picture {
	if o.ClusterRange == (v1alpha1.PortRange{}) {
		o.ClusterRange, o.RangeAssumed = rangeOf(o.Pools)
	}
	p := &Picture{
		Objects: o,
		Now:     now,
		ledger: snapshot.Ledger(snapshot.Objects{
			ClusterRange: o.ClusterRange, Pools: o.Pools, Allocations: o.Allocations, Services: o.Services, NodeStates: o.NodeStates,
		}, now),
		allocations:  map[int32]*v1alpha1.NodePortAllocation{},
		carriers:     map[int32][]*corev1.Service{},
		reservations: map[int32]*v1alpha1.NodePortReservation{},
		used:         map[int32]*v1alpha1.NodePortUsage{},
	}
	p.index()
	return p
}

// rangeOf is the API server's node port range as the manager has written it into pools, else the one that Kubernetes has
// where nobody says otherwise.
func rangeOf(pools []v1alpha1.NodePortPool) (r v1alpha1.PortRange, assumed bool) {
	for i := range pools {
		if r, err := rules.ParseRange(pools[i].Status.NodePortRange); err == nil {
			return r, false
		}
	}
	return snapshot.DefaultRange, true
}

func (p *Picture) index() {
	for i := range p.Allocations {
		if n, ok := allocator.NumberOf(&p.Allocations[i]); ok {
			p.allocations[n] = &p.Allocations[i]
		}
	}
	for i := range p.Services {
		for _, n := range serviceports.Numbers(serviceports.Requests(&p.Services[i])) {
			p.carriers[n] = append(p.carriers[n], &p.Services[i])
		}
	}
	for i := range p.Reservations {
		r := &p.Reservations[i]
		for _, port := range r.Status.Ports {
			p.reservations[port.NodePort] = r
		}
		if n := r.Status.HealthCheckNodePort; n != 0 {
			p.reservations[n] = r
		}
	}
	for i := range p.Usages {
		for _, n := range p.Usages[i].Status.NodePorts {
			p.used[n] = &p.Usages[i]
		}
	}
}

// Chart is the cluster's pools over its range.
func (p *Picture) Chart() *rules.Chart { return p.ledger.Chart() }

// Ledger answers the rules as a manager's would that knows these objects.
func (p *Picture) Ledger() rules.Ledger { return p.ledger }

// Counts are a pool's numbers by state, as its status has them.
func (p *Picture) Counts(pool *rules.Pool) allocator.Counts {
	return p.ledger.Counts(p.Chart())[pool.Name]
}

// Service is the one of a name; nil: there is none, or it may not be read.
func (p *Picture) Service(name types.NamespacedName) *corev1.Service {
	for i := range p.Services {
		if s := &p.Services[i]; s.Namespace == name.Namespace && s.Name == name.Name {
			return s
		}
	}
	return nil
}

// Namespace is the one of a name; nil: there is none, or it may not be read.
func (p *Picture) Namespace(name string) *corev1.Namespace {
	if i := slices.IndexFunc(p.Namespaces, func(n corev1.Namespace) bool { return n.Name == name }); i >= 0 {
		return &p.Namespaces[i]
	}
	return nil
}
