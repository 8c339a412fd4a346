// Package secrecytest holds against generated clusters that a tenant reads nothing of other tenants.
//
// A package that words something for tenants (a refusal, a warning, an event, a condition) has a test with a table of
// its texts:
//
//	secrecytest.Check(t, map[string]secrecytest.Told{
//		"a refusal": func(s secrecytest.Scene) []string { ... },
//	})
//
// A new text is a new line of that table. What it is made of beside a Scene's fields it draws from Scene.T, under names
// that begin with Own or Foreign.
package secrecytest

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

const (
	// Namespace is the tenant's.
	Namespace = "shop"
	// Own begins the names of what is the tenant's.
	Own = "mine"
	// Foreign begins the names of what is not, and must stay unknown to it.
	Foreign = "secret"

	teamLabel = "team"
	first     = 30000
	last      = 30030
)

// Now is the time in every scene.
var Now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// Scene is a small cluster as the tenant of Namespace meets it.
type Scene struct {
	T *rapid.T
	// Pools are those of Chart: "mine..." select Namespace, "secret-pool..." others.
	Pools []v1alpha1.NodePortPool
	Chart *rules.Chart
	// Ledger has Services of Namespace, and "secret-space/secret-service".
	Ledger rules.FakeLedger
	// Question is about the Service "web" of Namespace; reservation "mine" may ask it.
	Question rules.Question
}

// Told is all that the tenant may read of one kind.
type Told func(Scene) []string

// checks are how many scenes each text is held against: what tells of others does so in few of them.
const checks = "3000"

// Check fails the test if any text tells of what is Foreign. A kind that never says anything fails it too.
func Check(t *testing.T, texts map[string]Told) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		if err := f.Value.Set(checks); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
	}
	for name, told := range texts {
		t.Run(name, func(t *testing.T) {
			said := 0
			rapid.Check(t, func(r *rapid.T) {
				for _, text := range told(Draw(r)) {
					said++
					if strings.Contains(text, Foreign) {
						r.Fatal(text)
					}
				}
			})
			if said == 0 {
				t.Error("nothing was ever said")
			}
		})
	}
}

// Draw draws a scene.
func Draw(t *rapid.T) Scene {
	s := Scene{T: t, Pools: drawPools(t), Ledger: drawLedger(t)}
	s.Chart = rules.NewChart(v1alpha1.PortRange{From: first, To: 32767}, s.Pools)
	s.Question = rules.Question{Service: drawService(t, "ports"), Namespace: Namespace,
		NamespaceLabels: map[string]string{teamLabel: Own}, Now: Now}
	if rapid.Bool().Draw(t, "update") {
		s.Question.Old = drawService(t, "old ports")
	}
	if rapid.Bool().Draw(t, "reserving") {
		s.Question.Reservation = Own
	}
	return s
}

func drawPools(t *rapid.T) []v1alpha1.NodePortPool {
	var pools []v1alpha1.NodePortPool
	for i := range rapid.IntRange(0, 4).Draw(t, "pools") {
		p := v1alpha1.NodePortPool{}
		p.Name, p.Spec.NamespaceSelector.MatchLabels = fmt.Sprint(Foreign+"-pool", i), map[string]string{teamLabel: Foreign}
		if rapid.Bool().Draw(t, "mine") {
			p.Name, p.Spec.NamespaceSelector.MatchLabels = fmt.Sprint(Own, i), map[string]string{teamLabel: Own}
		}
		p.CreationTimestamp = metav1.NewTime(Now.Add(-time.Duration(rapid.IntRange(0, 3).Draw(t, "age")) * time.Hour))
		from := rapid.Int32Range(first-5, last-5).Draw(t, "from")
		p.Spec.Ranges = []v1alpha1.PortRange{{From: from, To: from + rapid.Int32Range(0, 10).Draw(t, "more")}}
		p.Spec.MaxPortsPerService = rapid.Int32Range(1, 3).Draw(t, "max")
		p.Spec.HoldSeconds = new(int32(600))
		if rapid.Bool().Draw(t, "quota") {
			p.Spec.MaxPortsPerNamespace = new(rapid.Int32Range(0, 3).Draw(t, "max in a namespace"))
		}
		p.Spec.Allocation = rapid.SampledFrom([]v1alpha1.AllocationMode{v1alpha1.AllocationAutomatic,
			v1alpha1.AllocationExplicit, v1alpha1.AllocationNone}).Draw(t, "allocation")
		p.Spec.Enforcement = rapid.SampledFrom([]v1alpha1.Enforcement{v1alpha1.EnforcementEnforce,
			v1alpha1.EnforcementWarn}).Draw(t, "enforcement")
		pools = append(pools, p)
	}
	return pools
}

func drawLedger(t *rapid.T) rules.FakeLedger {
	return rapid.MapOfN(rapid.Int32Range(first, last), rapid.SampledFrom([]string{
		Namespace + "/api", Namespace + "/web", Namespace + "/api until 2026-05-01T12:05:00Z", Namespace + "/web until 2026-05-01T12:05:00Z",
		Namespace + "/api by mine", Namespace + "/web by mine", Namespace + "/web by mine-too",
		"secret-space/secret-service", "secret-space/secret-service until 2026-05-01T12:05:00Z",
		"secret-space/secret-service by secret-reservation",
	}), 0, 20).Draw(t, "ledger")
}

// drawService draws the Service "web" on few numbers. It may name a pool of its namespace, or one that nobody has.
func drawService(t *rapid.T, label string) *corev1.Service {
	const nobodySetNumbers = `{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{"f:port":{}}}}}`
	s := servicetest.MakeService(Namespace + "/web")
	for i := range rapid.IntRange(1, 3).Draw(t, label) {
		number := rapid.OneOf(rapid.Just[int32](0), rapid.Int32Range(first-1, last)).Draw(t, "number")
		s.NodePort(int32(80+i), number, servicetest.Named(fmt.Sprint("p", i)))
	}
	s.Type(rapid.SampledFrom([]corev1.ServiceType{"NodePort", "NodePort", "LoadBalancer", "ExternalName"}).Draw(t, "type"))
	if rapid.Bool().Draw(t, "local") {
		s.LocalTraffic().HealthCheck(rapid.Int32Range(first, last).Draw(t, "health"))
	}
	if rapid.Bool().Draw(t, "annotated") {
		s.Annotation(v1alpha1.PoolAnnotation, rapid.SampledFrom([]string{"mine0", "mine1", "unheard-of"}).Draw(t, "pool"))
	}
	if rapid.Bool().Draw(t, "picked") {
		s.ManagedFields("kubectl", "", nobodySetNumbers)
	}
	return s.Obj()
}
