package controllers

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/metrics"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// sharing are Services that carry a number.
func sharing(names ...string) []corev1.Service {
	var services []corev1.Service
	for _, name := range names {
		services = append(services, *MakeService(name).NodePort(80, 30080).Obj())
	}
	return services
}

func TestAConflictNamesItsServicesAndHowToMendIt(t *testing.T) {
	web := func() *Service { return MakeService("shop/web").NodePort(80, 30080, Named("a")) }
	for _, c := range []struct {
		name            string
		svc             *Service
		shared          map[int32][]corev1.Service
		free            []int32
		message, advice string
	}{
		{
			name: "nobody else", svc: web(), shared: map[int32][]corev1.Service{30080: sharing("shop/web")},
		},
		{
			name: "in the namespace", svc: web(), shared: map[int32][]corev1.Service{30080: sharing("shop/web", "shop/api")}, free: []int32{30100},
			message: `node port 30080 is also carried by Service "api"`,
			advice:  `to give this Service another number: kubectl -n shop patch service web --type=json -p '[{"op":"test","path":"/spec/ports/0/nodePort","value":30080},{"op":"replace","path":"/spec/ports/0/nodePort","value":30100}]'`,
		},
		{
			name: "in other namespaces, which are not named", svc: web(), free: []int32{30100},
			shared:  map[int32][]corev1.Service{30080: sharing("shop/web", "bank/core", "city/desk", "shop/api")},
			message: `node port 30080 is also carried by Service "api" and a Service in another namespace`,
			advice:  `to give this Service another number: kubectl -n shop patch service web --type=json -p '[{"op":"test","path":"/spec/ports/0/nodePort","value":30080},{"op":"replace","path":"/spec/ports/0/nodePort","value":30100}]'`,
		},
		{
			name: "no number is free", svc: web(), shared: map[int32][]corev1.Service{30080: sharing("shop/web", "shop/api")},
			message: `node port 30080 is also carried by Service "api"`,
			advice:  "delete and create one of them to give it another number",
		},
		{
			name: "a health check, which cannot be changed", svc: MakeService("shop/web").LoadBalancer().LocalTraffic().HealthCheck(30080),
			shared: map[int32][]corev1.Service{30080: sharing("shop/web", "shop/api")}, free: []int32{30100},
			message: `node port 30080 is also carried by Service "api"`,
			advice:  "delete and create one of them to give it another number",
		},
		{
			name: "protocols that share the number move together", svc: web().NodePort(80, 30080, Named("b"), UDP), free: []int32{30100},
			shared:  map[int32][]corev1.Service{30080: sharing("shop/web", "shop/api")},
			message: `node port 30080 is also carried by Service "api"`,
			advice:  `to give this Service another number: kubectl -n shop patch service web --type=json -p '[{"op":"test","path":"/spec/ports/0/nodePort","value":30080},{"op":"test","path":"/spec/ports/1/nodePort","value":30080},{"op":"replace","path":"/spec/ports/0/nodePort","value":30100},{"op":"replace","path":"/spec/ports/1/nodePort","value":30100}]'`,
		},
		{
			name: "several numbers, each of which gets another one", svc: web().NodePort(81, 30081, Named("b")), free: []int32{30100, 30101},
			shared:  map[int32][]corev1.Service{30080: sharing("shop/web", "shop/api"), 30081: sharing("shop/web", "bank/core")},
			message: `node port 30080 is also carried by Service "api"; node port 30081 is also carried by a Service in another namespace`,
			advice: `to give this Service another number: kubectl -n shop patch service web --type=json -p '[{"op":"test","path":"/spec/ports/0/nodePort","value":30080},{"op":"replace","path":"/spec/ports/0/nodePort","value":30101}]'; ` +
				`to give this Service another number: kubectl -n shop patch service web --type=json -p '[{"op":"test","path":"/spec/ports/1/nodePort","value":30081},{"op":"replace","path":"/spec/ports/1/nodePort","value":30100}]'`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := conflictTrouble(c.svc.Obj(), nil, c.shared)
			if diff := cmp.Diff([]string{c.message, c.advice}, messageAndAdvice(got, c.free)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// messageAndAdvice are what a condition says, and with what its event goes on.
func messageAndAdvice(t trouble, free []int32) []string {
	advice, _ := strings.CutPrefix(t.note(someFree(free...)), t.message)
	return []string{t.message, strings.TrimPrefix(advice, "; ")}
}

func TestConflictsAreCountedWhileTheyLast(t *testing.T) {
	c := newConflicts()
	for _, step := range []struct {
		number   int32
		carriers int
		want     float64
	}{{30080, 1, 0}, {30080, 2, 1}, {30081, 3, 2}, {30080, 2, 2}, {30080, 1, 1}, {30081, 0, 0}} {
		c.note(observed{number: step.number, carriers: make([]*corev1.Service, step.carriers)})
		if got := testutil.ToFloat64(metrics.Conflicts); got != step.want {
			t.Errorf("with %d Services on %d there are %v conflicts, want %v", step.carriers, step.number, got, step.want)
		}
	}
}
