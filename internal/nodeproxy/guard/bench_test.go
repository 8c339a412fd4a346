package guard

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// district is 1,000 Services of one namespace, each with a NodePortAccess of 100 ranges.
func district() (services []*corev1.Service, policies []*v1alpha1.NodePortAccess) {
	for i := range 1000 {
		app := fmt.Sprintf("app-%d", i)
		s := st.MakeService("shop/"+app).NodePort(80, int32(30000+i)).Created(monday).Obj()
		s.Labels = labelled(app)
		services = append(services, s)
		p := forApp(app)
		for n := range 100 {
			p.from(fmt.Sprintf("10.%d.%d.0/24", i%250, n))
		}
		p.object.Namespace, p.object.Name = "shop", app
		policies = append(policies, &p.object)
	}
	return services, policies
}

func plan(services []*corev1.Service, policies []*v1alpha1.NodePortAccess) (p *Planner, elements int) {
	p = NewPlanner(nil)
	for _, a := range policies {
		elements += len(p.SetAccess(types.NamespacedName{Namespace: a.Namespace, Name: a.Name}, a).Add)
	}
	for _, s := range services {
		elements += len(p.SetService(types.NamespacedName{Namespace: s.Namespace, Name: s.Name}, s).Add)
	}
	p.Prune()
	return p, elements
}

func BenchmarkAThousandPoliciesOfAHundredRanges(b *testing.B) {
	services, policies := district()
	for b.Loop() {
		_, elements := plan(services, policies)
		b.ReportMetric(float64(elements), "elements")
	}
}

func BenchmarkOneRangeOfAHundredThousandChanges(b *testing.B) {
	p, _ := plan(district())
	_, policies := district()
	one, other := policies[500], policies[500].DeepCopy()
	other.Spec.From[50] = peer("192.0.2.0/24")
	name := types.NamespacedName{Namespace: one.Namespace, Name: one.Name}
	for i := 0; b.Loop(); i++ {
		p.SetAccess(name, []*v1alpha1.NodePortAccess{other, one}[i%2])
	}
}

func BenchmarkAServiceAmongAThousandPolicies(b *testing.B) {
	services, policies := district()
	p, _ := plan(services, policies)
	one, other := services[500], services[500].DeepCopy()
	other.Labels = labelled("app-7")
	name := types.NamespacedName{Namespace: one.Namespace, Name: one.Name}
	for i := 0; b.Loop(); i++ {
		p.SetService(name, []*corev1.Service{other, one}[i%2])
	}
}
