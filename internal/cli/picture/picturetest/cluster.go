// Package picturetest makes clusters for tests of what is told of them:
//
//	New().Pool("team-a", "30100-30199", "shop").Bound(30100, "shop/web").Picture()
package picturetest

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// Now is when the clusters are looked at.
var Now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// Cluster is one under construction. Each method changes and returns it.
type Cluster struct{ picture.Objects }

// New is a cluster without anything.
func New() *Cluster { return &Cluster{} }

// Picture is the cluster as it is now.
func (c *Cluster) Picture() *picture.Picture { return picture.New(c.Objects, Now) }

// Ago is a time before Now.
func Ago(d time.Duration) metav1.Time { return metav1.NewTime(Now.Add(-d)) }

// Pool adds one of the ranges ("30100-30199,30500") for namespaces of these names. It is older than those added later.
func (c *Cluster) Pool(name, ranges string, namespaces ...string) *Cluster {
	p := v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: Ago(time.Duration(1000-len(c.Pools)) * time.Hour)}}
	p.Spec = v1alpha1.NodePortPoolSpec{
		Allocation: v1alpha1.AllocationAutomatic, Strategy: v1alpha1.StrategyRandom, Enforcement: v1alpha1.EnforcementEnforce,
		HoldSeconds: new(int32(600)), MaxPortsPerService: 32,
	}
	p.Status.NodePortRange = "30000-32767"
	if len(namespaces) > 0 { // else every one
		p.Spec.NamespaceSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{
			Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpIn, Values: namespaces}}
	}
	for text := range strings.SplitSeq(ranges, ",") {
		r, err := rules.ParseRange(text)
		if err != nil {
			panic(err)
		}
		p.Spec.Ranges = append(p.Spec.Ranges, r)
	}
	c.Pools = append(c.Pools, p)
	return c
}

// ChangePool changes the pool that was added last.
func (c *Cluster) ChangePool(change func(*v1alpha1.NodePortPoolSpec)) *Cluster {
	change(&c.Pools[len(c.Pools)-1].Spec)
	return c
}

// Service adds a Service, and no allocation.
func (c *Cluster) Service(svc *servicetest.Service) *Cluster {
	c.Services = append(c.Services, *svc.Obj())
	return c
}

// Bound adds a Service "namespace/name" with a port http and this number, and its allocation, both 41 days old.
func (c *Cluster) Bound(n int32, service string) *Cluster {
	svc := servicetest.MakeService(service).NodePort(80, n, servicetest.Named("http")).Obj()
	svc.UID, svc.CreationTimestamp = types.UID("uid-of-"+service), Ago(41*24*time.Hour)
	c.Services = append(c.Services, *svc)
	return c.allocation(n, service, func(a *v1alpha1.NodePortAllocation) {
		a.Spec.ServiceUID = svc.UID
		a.Spec.Ports = []v1alpha1.AllocatedPort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}}
		a.Status.Protocols = "TCP"
		a.Status.BoundTime = new(Ago(41 * 24 * time.Hour))
		a.Status.Conditions = []metav1.Condition{{
			Type: v1alpha1.AllocationBound, Status: metav1.ConditionTrue, Reason: v1alpha1.AllocationReasonInUse, LastTransitionTime: *a.Status.BoundTime}}
	})
}

// Held adds a number that is kept for a Service that has gone, for another 7 minutes.
func (c *Cluster) Held(n int32, service string) *Cluster {
	return c.allocation(n, service, func(a *v1alpha1.NodePortAllocation) { a.Spec.HoldUntil = new(Ago(-7 * time.Minute)) })
}

// Pending adds a number that was claimed a moment ago.
func (c *Cluster) Pending(n int32, service string) *Cluster {
	return c.allocation(n, service, func(a *v1alpha1.NodePortAllocation) { a.Spec.ClaimTime = new(metav1.NewMicroTime(Now)) })
}

// Reserved adds a number that a reservation named as the Service keeps for it, and the reservation.
func (c *Cluster) Reserved(n int32, service string) *Cluster {
	namespace, name, _ := strings.Cut(service, "/")
	r := v1alpha1.NodePortReservation{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	r.Spec = v1alpha1.NodePortReservationSpec{ServiceName: name, Ports: []v1alpha1.ReservedPort{{Name: "http", NodePort: n}}}
	r.Status.Ports = []v1alpha1.ReservedPortStatus{{Name: "http", NodePort: n}}
	c.Reservations = append(c.Reservations, r)
	return c.allocation(n, service, func(a *v1alpha1.NodePortAllocation) { a.Spec.ReservationName = name })
}

// ChangeAllocation changes the allocation that was added last.
func (c *Cluster) ChangeAllocation(change func(*v1alpha1.NodePortAllocation)) *Cluster {
	change(&c.Allocations[len(c.Allocations)-1])
	return c
}

// Node adds one with a node-proxy that serves all Services and has these numbers in force ("30080,30100-30110").
func (c *Cluster) Node(name, nodePorts string) *Cluster {
	state := v1alpha1.NodePortNodeState{ObjectMeta: metav1.ObjectMeta{Name: name}}
	state.Status.Mode, state.Status.ServiceProxyName, state.Status.NodePorts = v1alpha1.ProxyModeAll, "portolan", nodePorts
	state.Status.Guard = &v1alpha1.GuardState{AccessResourceVersion: "0"}
	c.NodeStates = append(c.NodeStates, state)
	c.Nodes = append(c.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
	return c
}

// Clash has a process of the node that was added last listen at a number.
func (c *Cluster) Clash(n int32, process string) *Cluster {
	status := &c.NodeStates[len(c.NodeStates)-1].Status
	status.Clashes = append(status.Clashes, v1alpha1.Clash{NodePort: n, Protocol: corev1.ProtocolTCP, Kind: v1alpha1.ClashHostListener, Process: process})
	status.ClashingNodePorts = strings.TrimPrefix(status.ClashingNodePorts+","+strconv.Itoa(int(n)), ",")
	return c
}

// allocation adds one of the pool that has the number.
func (c *Cluster) allocation(n int32, service string, change func(*v1alpha1.NodePortAllocation)) *Cluster {
	namespace, name, _ := strings.Cut(service, "/")
	a := v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: strconv.Itoa(int(n)), CreationTimestamp: Ago(41 * 24 * time.Hour)}}
	a.Spec = v1alpha1.NodePortAllocationSpec{
		ServiceRef: v1alpha1.ServiceReference{Namespace: namespace, Name: name}, Role: v1alpha1.RoleTraffic, Origin: v1alpha1.OriginAutomatic,
	}
	for _, pool := range c.Pools {
		if rules.NewRanges(pool.Spec.Ranges).Contains(n) {
			a.Spec.PoolName = pool.Name
			break // the oldest has it
		}
	}
	change(&a)
	c.Allocations = append(c.Allocations, a)
	return c
}
