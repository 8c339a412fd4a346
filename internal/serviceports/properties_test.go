package serviceports

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// services draws Services of every kind with up to five entries from so few
// names, `port`s and numbers that they meet. As the API server requires, no two
// have one name, nor one protocol and `port`.
var services = rapid.Custom(func(t *rapid.T) *corev1.Service {
	s := MakeService("a/b")
	type entry struct {
		port     int32
		protocol corev1.Protocol
	}
	entries := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) entry {
		return entry{
			rapid.Int32Range(80, 82).Draw(t, "port"),
			rapid.SampledFrom([]corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}).Draw(t, "protocol"),
		}
	}), 1, 5, rapid.ID).Draw(t, "entries")
	names := rapid.Permutation([]string{"a", "b", "c", "d", "e"}).Draw(t, "names")
	for i, e := range entries {
		s.NodePort(e.port, drawNumber(t), Named(names[i]), func(p *corev1.ServicePort) { p.Protocol = e.protocol })
	}

	s.Type(rapid.SampledFrom([]corev1.ServiceType{
		corev1.ServiceTypeNodePort, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeLoadBalancer,
		corev1.ServiceTypeClusterIP, corev1.ServiceTypeExternalName,
	}).Draw(t, "type"))
	if rapid.Bool().Draw(t, "local") {
		s.LocalTraffic().HealthCheck(drawNumber(t))
	}
	if rapid.IntRange(0, 3).Draw(t, "says what to allocate") == 0 {
		s.AllocateNodePorts(rapid.Bool().Draw(t, "allocate"))
	}
	return s.Obj()
})

func drawNumber(t *rapid.T) int32 {
	return rapid.OneOf(rapid.Just[int32](0), rapid.Int32Range(30000, 30004)).Draw(t, "number")
}

// allocated is a Service as it is stored: each number chosen, none twice.
func allocated(t *rapid.T) *corev1.Service {
	svc := services.Filter(func(s *corev1.Service) bool { return len(DuplicateNumbers(nil, s)) == 0 }).Draw(t, "live")
	requests := Requests(svc)
	for i := range requests {
		if requests[i].NodePort == 0 {
			requests[i].NodePort = 31000 + int32(i)
		}
	}
	Set(svc, requests)
	return svc
}

func TestSettingWhatWasRequestedIsWhatIsRequestedNext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		svc := services.Draw(t, "service")
		requests := Requests(svc)
		for i := range requests {
			if requests[i].NodePort == 0 {
				requests[i].NodePort = 31000 + int32(i)
			}
		}
		before := svc.DeepCopy()
		Set(svc, requests)

		if diff := cmp.Diff(requests, Requests(svc)); diff != "" {
			t.Fatalf("Requests() after Set (-set +got):\n%s", diff)
		}
		neverChangesANumber(t, before, svc)
		Set(svc, Stored(svc))
		if diff := cmp.Diff(requests, Requests(svc)); diff != "" {
			t.Fatalf("Requests() after Set of Stored (-want +got):\n%s", diff)
		}
	})
}

func TestEveryEntryOfAServiceThatAllocatesIsInOneRequest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		svc := services.Draw(t, "service")
		seen := map[int]bool{}
		for _, r := range Requests(svc) {
			for _, p := range r.Ports {
				if number := svc.Spec.Ports[p.Index].NodePort; seen[p.Index] || number != 0 && number != r.NodePort {
					t.Fatalf("entry %d is in two requests, or in one for another number: %+v", p.Index, Requests(svc))
				}
				seen[p.Index] = true
			}
		}
		if svc.Spec.Type == corev1.ServiceTypeNodePort && len(seen) != len(svc.Spec.Ports) {
			t.Fatalf("%d of %d entries have a request", len(seen), len(svc.Spec.Ports))
		}
	})
}

func TestCarryOverAddsNumbersAndChangesNone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live, updated := allocated(t), services.Draw(t, "updated")
		before := updated.DeepCopy()
		changed := CarryOver(live, updated)

		neverChangesANumber(t, before, updated)
		if changed != !cmp.Equal(before, updated) {
			t.Fatalf("CarryOver() = %t:\n%s", changed, cmp.Diff(before, updated))
		}
		if again := updated.DeepCopy(); CarryOver(live, again) {
			t.Fatalf("a second CarryOver changes more:\n%s", cmp.Diff(updated, again))
		}
		if len(twice(before)) == 0 && len(twice(updated)) != 0 {
			t.Fatalf("%v stand in the Service twice:\n%s", twice(updated), cmp.Diff(before, updated))
		}
	})
}

func TestALivePortNeverMovesThoughEveryEntryIsRenamedAndReordered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live := allocated(t)
		want := live.DeepCopy()
		want.Spec.Ports = rapid.Permutation(want.Spec.Ports).Draw(t, "order")
		for i := range want.Spec.Ports {
			want.Spec.Ports[i].Name = fmt.Sprintf("renamed-%d", i)
		}
		updated := want.DeepCopy()
		if allocatesNodePorts(live) {
			for i := range updated.Spec.Ports {
				updated.Spec.Ports[i].NodePort = 0
			}
		}
		CarryOver(live, updated)
		if diff := cmp.Diff(want, updated); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestWhatIsStoredNeverCountsAsADuplicateInAnUpdateThatChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live := allocated(t)
		if errs := DuplicateNumbers(live, live); len(errs) != 0 {
			t.Fatal(errs)
		}
	})
}

func neverChangesANumber(t *rapid.T, before, after *corev1.Service) {
	t.Helper()
	restored := after.DeepCopy()
	for i, p := range before.Spec.Ports {
		if p.NodePort == 0 {
			restored.Spec.Ports[i].NodePort = 0
		}
	}
	if before.Spec.HealthCheckNodePort == 0 {
		restored.Spec.HealthCheckNodePort = 0
	}
	if diff := cmp.Diff(before, restored); diff != "" {
		t.Fatalf("more than empty numbers changed:\n%s", diff)
	}
}

// twice lists the numbers that one protocol has more than once.
func twice(svc *corev1.Service) []string {
	var all []string
	count := map[string]int{}
	for _, p := range svc.Spec.Ports {
		key := fmt.Sprintf("%d/%s", p.NodePort, p.Protocol)
		if count[key]++; p.NodePort != 0 && count[key] == 2 {
			all = append(all, key)
		}
	}
	return all
}

// Each pair of numbers is held against the other, as three rules of the API server have it.
func TestDuplicatesAreWhatOneFindsPairByPair(t *testing.T) {
	found := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			svc := services.Draw(t, "service")
			for _, live := range []*corev1.Service{nil, svc} {
				if live != nil && slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool { return p.NodePort == 0 }) {
					continue // such an entry would get a number of its own, not that of another protocol at its port
				}
				want := pairClashes(svc, live == nil)
				found[want]++
				if errs := DuplicateNumbers(live, svc); len(errs) > 0 != want {
					t.Fatalf("got %v, want any: %t", errs, want)
				}
			}
		}
	})
	if found[true] < 50 || found[false] < 50 {
		t.Errorf("only %d had one, and %d none", found[true], found[false])
	}
}

func pairClashes(svc *corev1.Service, created bool) bool {
	ports := slices.DeleteFunc(slices.Clone(svc.Spec.Ports), func(p corev1.ServicePort) bool { return p.NodePort == 0 })
	for i, p := range ports {
		if needsHealthCheck(svc) && p.NodePort == svc.Spec.HealthCheckNodePort {
			return true
		}
		for _, q := range ports[:i] {
			if usesNodePorts(svc) && p.NodePort == q.NodePort && (p.Protocol == q.Protocol || created && p.Port != q.Port) {
				return true
			}
		}
	}
	return false
}
