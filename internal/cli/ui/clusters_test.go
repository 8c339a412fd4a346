package ui

import (
	"fmt"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// small has a little of all that there can be.
func small() *picturetest.Cluster {
	c := picturetest.New().
		Pool("team-a", "30100-30199,30500", "shop").
		Pool("edge", "30200-30209", "edge").
		Pool("late", "30205-30219", "late").
		Bound(30100, "shop/web").ChangeAllocation(func(a *v1alpha1.NodePortAllocation) {
		a.Status.LastTrafficTime = new(picturetest.Ago(3 * time.Minute))
	}).
		Bound(30101, "shop/clashing").
		Bound(30102, "shop/twice").
		Held(30103, "shop/old").
		Pending(30104, "shop/new").
		Reserved(30105, "shop/promised").
		Bound(30200, "edge/proxy").ChangeAllocation(func(a *v1alpha1.NodePortAllocation) {
		a.Status.Conditions = append(a.Status.Conditions, metav1.Condition{Type: v1alpha1.AllocationIdle, Status: metav1.ConditionTrue})
	}).
		Bound(30300, "legacy/app").ChangeAllocation(func(a *v1alpha1.NodePortAllocation) { a.Spec.PoolName = "team-a" }).
		Bound(80, "legacy/outside").
		Node("node-1", "30100-30102").Clash(30101, "nginx").Clash(30110, "sshd")
	return c.Service(servicetest.MakeService("other/copy").NodePort(80, 30102))
}

// shown is picturetest.Busy, in good order but for what has gone wrong there.
func shown() *picturetest.Cluster {
	c := picturetest.Busy()
	c.NodeStates[0].Status.NodePorts = "30000-32767"
	c.Node("node-2", "30000-32767")
	for i := range c.Allocations {
		if a := &c.Allocations[i]; i%97 != 5 && a.Status.BoundTime != nil {
			a.Status.LastTrafficTime = new(picturetest.Ago(time.Duration(i%50) * time.Minute))
		} else if a.Status.BoundTime != nil {
			a.Status.Conditions = append(a.Status.Conditions, metav1.Condition{Type: v1alpha1.AllocationIdle, Status: metav1.ConditionTrue,
				Message: "nobody has used the number since 2026-03-21T12:00:00Z"})
		}
	}
	for i := range c.Services {
		svc := &c.Services[i]
		slice := discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: svc.Namespace, Name: svc.Name, Labels: map[string]string{discoveryv1.LabelServiceName: svc.Name}}}
		for node := range 2 {
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("10.0.%d.7", node)}, NodeName: new(fmt.Sprintf("node-%d", node+1))})
		}
		c.EndpointSlices = append(c.EndpointSlices, slice)
	}
	return c
}

// tenants is what one sees who may read the namespace shop, and nothing else.
func tenants() *picturetest.Cluster {
	c := picturetest.New().Bound(30100, "shop/web").Bound(30107, "shop/api").Reserved(30105, "shop/promised")
	c.Allocations = nil
	usage := v1alpha1.NodePortUsage{}
	usage.Namespace, usage.Name = "shop", "team-a"
	usage.Status.Ranges, usage.Status.NodePorts = "30100-30199", []int32{30100, 30103, 30105, 30107}
	c.Usages = append(c.Usages, usage)
	c.Gaps = []picture.Gap{{Kind: picture.Pools}, {Kind: picture.Allocations}, {Kind: picture.Services, Namespace: "shop"}, {Kind: picture.NodeStates}}
	return c
}
