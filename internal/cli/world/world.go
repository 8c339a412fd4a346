// Package world is a cluster at a moment as admission would find it: the ledger of node ports, filled from objects that
// were read from a cluster or from files. Nothing is ever written from here.
package world

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/cli/snapshot"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// Objects are what a world is made of. Those of a cluster are as they were read, those of files have their defaults.
type Objects struct {
	// ClusterRange is the API server's node port range; the zero value is snapshot.DefaultRange.
	ClusterRange v1alpha1.PortRange
	Pools        []v1alpha1.NodePortPool
	Allocations  []v1alpha1.NodePortAllocation
	NodeStates   []v1alpha1.NodePortNodeState
	Accesses     []v1alpha1.NodePortAccess
	Services     []corev1.Service
	Namespaces   []corev1.Namespace
	// Partial: they are a cluster's, and not all that admission decides by: the caller may not read the rest.
	Partial bool
	// Pods are those that Services select; nil where they are not known.
	Pods func(namespace string, selector map[string]string) []corev1.Pod
}

// World answers as the cluster would. It is for one goroutine.
type World struct {
	// Ledger has the numbers, and by Ledger.Chart the pools.
	Ledger *allocator.Ledger
	// Now is the moment.
	Now time.Time
	// Complete: all that admission knows is known here. Else it is a world of files, and what is not in them is not known, or
	// it is Partial.
	Complete bool
	// Partial: it is a cluster, of which the caller may not read all that admission decides by. What is decided here does not
	// hold there.
	Partial bool
	// Unknown says in a sentence what is not known here; "": nothing.
	Unknown string

	objects    Objects
	pools      map[string]*v1alpha1.NodePortPool
	services   map[types.NamespacedName]*corev1.Service
	namespaces map[string]map[string]string
}

// New makes a world of a cluster (complete) or of files.
func New(objects Objects, now time.Time, complete bool) *World {
	w := &World{
		Ledger: snapshot.Ledger(snapshot.Objects{
			ClusterRange: objects.ClusterRange, Pools: objects.Pools, Allocations: objects.Allocations, Services: objects.Services,
			NodeStates: objects.NodeStates,
		}, now),
		Now: now, Complete: complete && !objects.Partial, Partial: objects.Partial, objects: objects,
		pools:      map[string]*v1alpha1.NodePortPool{},
		services:   map[types.NamespacedName]*corev1.Service{},
		namespaces: map[string]map[string]string{},
	}
	for i := range objects.Pools {
		w.pools[objects.Pools[i].Name] = &objects.Pools[i]
	}
	for i := range objects.Services {
		svc := &objects.Services[i]
		w.services[types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name}] = svc
	}
	for _, ns := range objects.Namespaces {
		w.SeeNamespace(ns.Name, ns.Labels)
	}
	return w
}

// ClusterRange is the API server's node port range.
func (w *World) ClusterRange() v1alpha1.PortRange { return w.Ledger.Chart().ClusterRange() }

// SeePool takes in a pool as if it had been applied. One that is there already keeps its age.
func (w *World) SeePool(pool *v1alpha1.NodePortPool) {
	if known := w.pools[pool.Name]; known != nil && pool.CreationTimestamp.IsZero() {
		pool = pool.DeepCopy()
		pool.CreationTimestamp = known.CreationTimestamp
		pool.Generation = known.Generation + 1
	}
	w.pools[pool.Name] = pool
	w.Ledger.PoolSeen(pool)
}

// Pool is the pool of that name; nil where there is none.
func (w *World) Pool(name string) *v1alpha1.NodePortPool { return w.pools[name] }

// OtherPools are all pools but the one of that name.
func (w *World) OtherPools(name string) []v1alpha1.NodePortPool {
	var others []v1alpha1.NodePortPool
	for _, p := range w.pools {
		if p.Name != name {
			others = append(others, *p)
		}
	}
	return others
}

// Service is the live Service of that name; nil where there is none.
func (w *World) Service(name types.NamespacedName) *corev1.Service { return w.services[name] }

// SeeAccess takes in a NodePortAccess as if it had been applied.
func (w *World) SeeAccess(a *v1alpha1.NodePortAccess) {
	w.objects.Accesses = append(w.objects.Accesses, *a)
}

// Live is what a change of pools meets.
func (w *World) Live() rules.Live {
	live := rules.Live{Namespaces: w.namespaces}
	for _, svc := range w.services {
		if svc.DeletionTimestamp == nil && len(serviceports.Numbers(serviceports.Requests(svc))) > 0 {
			live.Services = append(live.Services, svc)
		}
	}
	return live
}

// Claim is the allocation of a number as it was read; nil where there is none.
func (w *World) Claim(number int32) *v1alpha1.NodePortAllocation {
	for i := range w.objects.Allocations {
		if n, _ := allocator.NumberOf(&w.objects.Allocations[i]); n == number {
			return &w.objects.Allocations[i]
		}
	}
	return nil
}

// Accesses are those of a namespace.
func (w *World) Accesses(namespace string) []*access.Policy {
	var policies []*access.Policy
	for i := range w.objects.Accesses {
		if a := &w.objects.Accesses[i]; a.Namespace == namespace {
			policies = append(policies, access.NewSelection(a))
		}
	}
	return policies
}

// Surroundings are what is around a Service, as far as it matters and is known.
func (w *World) Surroundings(q rules.Question, answer rules.Answer) rules.Surroundings {
	var s rules.Surroundings
	if w.objects.Pods != nil && rules.WantsPods(q) {
		s.Pods = w.objects.Pods(q.Namespace, q.Service.Spec.Selector)
	}
	if rules.WantsAccesses(answer) {
		s.Accesses = w.Accesses(q.Namespace)
	}
	return s
}

// Apply takes in numbers as if a Service, or a reservation for it, had got them. What somebody has stays his; it returns
// the others.
func (w *World) Apply(service types.NamespacedName, reservation string, requests []serviceports.Request) []*v1alpha1.NodePortAllocation {
	var made []*v1alpha1.NodePortAllocation
	for _, r := range requests {
		if r.NodePort == 0 || len(w.Ledger.Holders(r.NodePort)) > 0 {
			continue
		}
		a := &v1alpha1.NodePortAllocation{}
		a.Name = allocator.NameOf(r.NodePort)
		a.Spec = v1alpha1.NodePortAllocationSpec{
			ServiceRef:      v1alpha1.ServiceReference{Namespace: service.Namespace, Name: service.Name},
			ReservationName: reservation, Role: v1alpha1.Role(r.Role), Ports: allocator.AllocatedPorts(r.Ports),
		}
		if reservation == "" {
			a.Spec.ServiceUID = "applied"
		}
		w.Ledger.AllocationSeen(a)
		made = append(made, a)
	}
	return made
}

// Undo takes back what Apply made.
func (w *World) Undo(made []*v1alpha1.NodePortAllocation) {
	for _, a := range made {
		w.Ledger.AllocationGone(a)
	}
}
