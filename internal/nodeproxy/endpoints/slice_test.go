package endpoints

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestWhatIsKept(t *testing.T) {
	monday := time.Date(2026, 5, 4, 12, 0, 0, 500, time.UTC)
	base := func() *st.Slice { return st.MakeSlice("shop/web", "a") }
	kept := func(change func(*Slice)) *Slice {
		s := &Slice{Namespace: "shop", Name: base().Obj().Name, Service: "web", AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []Endpoint{}}
		change(s)
		return s
	}
	for _, tc := range []struct {
		name  string
		slice *discoveryv1.EndpointSlice
		want  *Slice
	}{
		{"no endpoint", base().Obj(), kept(func(*Slice) {})},
		{"for DNS only", base().Label(corev1.IsHeadlessService, "").Obj(), kept(func(s *Slice) { s.Headless = true })},
		{"without a Service", base().Label(discoveryv1.LabelServiceName, "").Obj(), kept(func(s *Slice) { s.Service = "" })},
		{"IPv6", base().IPv6().Obj(), kept(func(s *Slice) { s.AddressType = discoveryv1.AddressTypeIPv6 })},
		{"when it was triggered", base().Annotation(corev1.EndpointsLastChangeTriggerTime, monday.Format(time.RFC3339Nano)).Obj(),
			kept(func(s *Slice) { s.Triggered = monday })},
		{"a time that is none", base().Annotation(corev1.EndpointsLastChangeTriggerTime, "yesterday").Obj(), kept(func(*Slice) {})},
		{"ports", base().Port("", 8080).Port("dns", 53, st.UDP).Obj(), kept(func(s *Slice) {
			s.Ports = []Port{{Protocol: corev1.ProtocolTCP, Number: 8080}, {Name: "dns", Protocol: corev1.ProtocolUDP, Number: 53}}
		})},
		{"conditions that say nothing", base().Endpoint("10.0.0.1", st.Unsaid).Obj(), kept(func(s *Slice) {
			s.Endpoints = []Endpoint{{Address: "10.0.0.1", Ready: true, Serving: true}}
		})},
		{"conditions", base().Endpoint("10.0.0.1", st.Lasting).Endpoint("10.0.0.2", st.Ending).Obj(), kept(func(s *Slice) {
			s.Endpoints = []Endpoint{{Address: "10.0.0.1", Serving: true, Terminating: true}, {Address: "10.0.0.2", Terminating: true}}
		})},
		{"where it is and whom it is for", base().Endpoint("10.0.0.1", st.OnNode("n"), st.ForZones("z")).Obj(), kept(func(s *Slice) {
			hints := &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: "z"}}}
			s.Endpoints = []Endpoint{{Address: "10.0.0.1", Node: "n", Hints: hints, Ready: true, Serving: true}}
		})},
		{"the first address", base().Endpoint("10.0.0.1", func(e *discoveryv1.Endpoint) { e.Addresses = append(e.Addresses, "10.0.0.2") }).Obj(),
			kept(func(s *Slice) { s.Endpoints = []Endpoint{{Address: "10.0.0.1", Ready: true, Serving: true}} })},
		{"no address", base().Endpoint("", func(e *discoveryv1.Endpoint) { e.Addresses = nil }).Obj(),
			kept(func(s *Slice) { s.Endpoints = []Endpoint{{Ready: true, Serving: true}} })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Of(tc.slice)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestPortsWithoutANameOrANumberAreLeftOut(t *testing.T) {
	slice := st.MakeSlice("shop/web", "a").Port("http", 80).Port("zero", 0).Port("low", -1).Port("high", 65536).Port("top", 65535).Port("unnamed", 1).Port("all", 2).Port("plain", 3).Obj()
	slice.Ports[5].Name, slice.Ports[6].Port, slice.Ports[7].Protocol = nil, nil, nil
	want := []Port{{"http", corev1.ProtocolTCP, 80}, {"top", corev1.ProtocolTCP, 65535}, {"plain", "", 3}}
	if diff := cmp.Diff(want, Of(slice).Ports); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
