package controllers

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func allowing(cidrs ...v1alpha1.CIDR) *v1alpha1.NodePortAccess {
	object := &v1alpha1.NodePortAccess{}
	object.Namespace, object.Name, object.Generation, object.ResourceVersion = "shop", "office", 1, "100"
	for _, cidr := range cidrs {
		object.Spec.From = append(object.Spec.From, v1alpha1.AccessPeer{IPBlock: v1alpha1.IPBlock{CIDR: cidr}})
	}
	return object
}

// shownAccess is "30080-30081 from 10.0.0.0/8, 1/2 since 100".
func shownAccess(s v1alpha1.NodePortAccessStatus) string {
	return fmt.Sprintf("%s from %s, %d/%d since %s", s.NodePorts, s.Sources, s.Nodes.Programmed, s.Nodes.Total, s.SpecResourceVersion)
}

func shownConditions(conditions []metav1.Condition) string {
	text := ""
	for _, c := range conditions {
		text += fmt.Sprintf("%s=%s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
	}
	return text
}

func TestAccessStatus(t *testing.T) {
	web := *MakeService("shop/web").NodePort(80, 30080, Named("http")).NodePort(443, 30081, Named("https")).Obj()
	dns := *MakeService("shop/dns").NodePort(53, 30053, Named("tcp")).NodePort(53, 30053, Named("udp"), UDP).Obj()
	lb := *MakeService("shop/lb").LoadBalancer().LocalTraffic().NodePort(80, 30090, Named("http")).HealthCheck(30091).Obj()
	plain := *MakeService("shop/plain").Port(80).Obj()
	const (
		selects = "Ready=True Selects: status.nodePorts take what this or another NodePortAccess allows, and nothing else\n"
		nobody  = "Programmed=False NoGuard: no node reports that it has a guard: nothing of this is enforced\n"
		all     = "Programmed=True AllNodes: every node that has a guard enforces it as it is\n"
	)
	for _, test := range []struct {
		name       string
		object     *v1alpha1.NodePortAccess
		services   []corev1.Service
		nodes      v1alpha1.NodeCounts
		want       string
		conditions string
	}{
		{
			name: "on all nodes", object: allowing("10.0.0.0/8", "::/0"), services: []corev1.Service{web, dns, plain},
			nodes: v1alpha1.NodeCounts{Programmed: 2, Total: 2},
			want:  "30053,30080-30081 from 10.0.0.0/8 and 1 more, 2/2 since 100", conditions: selects + all,
		},
		{
			name: "not the port that load balancers ask", object: allowing(), services: []corev1.Service{lb},
			nodes: v1alpha1.NodeCounts{Programmed: 1, Total: 3},
			want:  "30090 from anywhere, 1/3 since 100", conditions: selects + "Programmed=False Programming: 1 of 3 nodes enforce it as it is\n",
		},
		{
			name: "some ports, on no node", object: adjustedAccess(func(s *v1alpha1.NodePortAccessSpec) { s.Ports = []string{"https", "udp"} }),
			services: []corev1.Service{web, dns},
			want:     "30053,30081 from anywhere, 0/0 since 100", conditions: selects + nobody,
		},
		{
			name: "no Service", object: allowing("10.0.0.0/8"), services: []corev1.Service{plain},
			want:       " from 10.0.0.0/8, 0/0 since 100",
			conditions: "Ready=False SelectsNothing: no Service of the namespace that has a node port is selected\n" + nobody,
		},
		{
			name: "no port", object: adjustedAccess(func(s *v1alpha1.NodePortAccessSpec) { s.Ports = []string{"ssh"} }), services: []corev1.Service{web},
			want:       " from anywhere, 0/0 since 100",
			conditions: "Ready=False SelectsNothing: no selected Service has a node port of a name in spec.ports: [\"ssh\"]\n" + nobody,
		},
		{
			name: "what cannot be read", object: allowing("10.0.0.0/8", "10.0.0.1/8"), services: []corev1.Service{web},
			want: "30080-30081 from 10.0.0.0/8 and 1 more, 0/0 since 100",
			conditions: "Ready=False Invalid: it lets nobody in, and closes what it selects all the same: spec.from[1].ipBlock.cidr: " +
				"Invalid value: \"10.0.0.1/8\": has bits set after its prefix: did you mean 10.0.0.0/8?\n" + nobody,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := guardingOf(access.NewPolicy(test.object), test.services)
			status := accessStatus(test.object, g, test.nodes, noon)
			if diff := cmp.Diff(test.want, shownAccess(status)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(test.conditions, shownConditions(status.Conditions)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			test.object.Status, test.object.ResourceVersion = status, "200" // which that write has made
			if again := accessStatus(test.object, g, test.nodes, noon.Add(time.Second)); !equality.Semantic.DeepEqual(status, again) {
				t.Errorf("a second later, though nothing happened (-before +after):\n%s", cmp.Diff(status, again))
			}
			test.object.Generation = 2
			if changed := accessStatus(test.object, g, test.nodes, noon); changed.SpecResourceVersion != "200" {
				t.Errorf("a change is of version %s, want 200", changed.SpecResourceVersion)
			}
		})
	}
}

func adjustedAccess(adjust func(*v1alpha1.NodePortAccessSpec)) *v1alpha1.NodePortAccess {
	object := allowing()
	adjust(&object.Spec)
	return object
}

func TestWhatOnlyNodesReportWaitsForItsTurn(t *testing.T) {
	g := guardingOf(access.NewPolicy(allowing()), nil)
	one := accessStatus(allowing(), g, v1alpha1.NodeCounts{Programmed: 1, Total: 2}, noon)
	two := accessStatus(allowing(), g, v1alpha1.NodeCounts{Programmed: 2, Total: 2}, noon)
	other := accessStatus(allowing("10.0.0.0/8"), g, v1alpha1.NodeCounts{Programmed: 2, Total: 2}, noon)
	if !onlyGuardsDiffer(one, two) || onlyGuardsDiffer(one, other) {
		t.Errorf("reports: %t, sources: %t", onlyGuardsDiffer(one, two), onlyGuardsDiffer(one, other))
	}
}
