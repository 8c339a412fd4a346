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
)

func TestStatusForSaysWhatBecameOfANumber(t *testing.T) {
	type said struct {
		Status, Reason, Message string
		Protocols               string
		Bound                   bool
		Conflicts               int
	}
	both := func(s *v1alpha1.NodePortAllocationSpec) {
		s.Ports = append(s.Ports, v1alpha1.AllocatedPort{Name: "quic", Port: 80, Protocol: corev1.ProtocolUDP}, s.Ports[0])
	}
	var crowd []*corev1.Service
	for i := range 20 {
		crowd = append(crowd, carrier(fmt.Sprint("bank/s", i), "9", i))
	}
	for _, c := range []struct {
		name     string
		spec     v1alpha1.NodePortAllocationSpec
		carriers []*corev1.Service
		want     said
	}{
		{"in use", specOf("web", withUID("1"), both), []*corev1.Service{carrier("shop/web", "1", 0)},
			said{"True", "InUse", "Service shop/web has the number", "TCP,UDP", true, 0}},
		{"shared through a hole", specOf("web", withUID("1")), []*corev1.Service{carrier("shop/web", "1", 0), carrier("bank/core", "2", 1)},
			said{"True", "Conflict", "Service shop/web has the number; Services that carry it too: 1", "TCP", true, 1}},
		{"shared by many", specOf("web", withUID("1")), crowd,
			said{"True", "Conflict", "Service shop/web has the number; Services that carry it too: 20", "TCP", true, maxConflicts}},
		{"held", specOf("web", heldUntil(time.Minute)), nil,
			said{"False", "Held", "kept for Service shop/web until 2026-05-01T12:01:00Z", "TCP", false, 0}},
		{"pending", specOf("web", claimed(time.Second)), nil,
			said{"False", "Pending", "claimed for Service shop/web, which has not appeared yet", "TCP", false, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &v1alpha1.NodePortAllocation{Spec: c.spec}
			a.Generation = 3
			o := observed{number: 30080, allocation: a, carriers: c.carriers, now: noon}
			status := statusFor(o)
			bound := status.Conditions[0]
			got := said{string(bound.Status), bound.Reason, bound.Message, status.Protocols, status.BoundTime != nil, len(status.ConflictsWith)}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if bound.ObservedGeneration != 3 {
				t.Errorf("observedGeneration is %d", bound.ObservedGeneration)
			}
			a.Status, o.now = status, noon.Add(time.Second)
			if again := statusFor(o); !equality.Semantic.DeepEqual(status, again) {
				t.Errorf("a second later, though nothing happened (-before +after):\n%s", cmp.Diff(status, again))
			}
		})
	}
}

func TestBoundTimeIsThePresentServices(t *testing.T) {
	a := &v1alpha1.NodePortAllocation{}
	at := func(minute int) *metav1.Time {
		t := metav1.NewTime(noon.Add(time.Duration(minute) * time.Minute)).Rfc3339Copy()
		return &t
	}
	web, api, anew := carrier("shop/web", "1", 0), carrier("shop/api", "2", 1), carrier("shop/api", "3", 5)
	for _, step := range []struct {
		name     string
		minute   int
		spec     v1alpha1.NodePortAllocationSpec
		carriers []*corev1.Service
		want     *metav1.Time
	}{
		{"it is bound", 0, specOf("web", withUID("1")), []*corev1.Service{web}, at(0)},
		{"it stays so", 1, specOf("web", withUID("1")), []*corev1.Service{web, api}, at(0)},
		{"it passes to another Service", 2, specOf("api", withUID("2")), []*corev1.Service{api}, at(2)},
		{"which stays", 3, specOf("api", withUID("2")), []*corev1.Service{api}, at(2)},
		{"and is made anew before it was seen to go", 6, specOf("api", withUID("3")), []*corev1.Service{anew}, at(6)},
		{"and goes", 7, specOf("api", heldUntil(time.Hour)), nil, nil},
		{"and comes back", 8, specOf("api", withUID("3")), []*corev1.Service{anew}, at(8)},
	} {
		a.Spec = step.spec
		now := noon.Add(time.Duration(step.minute) * time.Minute)
		a.Status = statusFor(observed{number: 30080, allocation: a, carriers: step.carriers, now: now})
		if diff := cmp.Diff(step.want, a.Status.BoundTime); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}
