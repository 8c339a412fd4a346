package admissionpolicy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// drawRequest draws one that has got past the API server's own checks.
func drawRequest(t *rapid.T) request {
	r := request{namespace: namespace.Draw(t, "namespace"), svc: service.Draw(t, "service")}
	if rapid.Bool().Draw(t, "update") {
		r.old = service.Draw(t, "old")
		if rapid.Bool().Draw(t, "with the same numbers") {
			r.old.Spec.Ports = slices.Clone(r.svc.Spec.Ports)
			r.old.Spec.HealthCheckNodePort = r.svc.Spec.HealthCheckNodePort
		}
	}
	if len(serviceports.DuplicateNumbers(r.old, r.svc)) > 0 {
		t.Skip("the API server refuses it")
	}
	return r
}

func (r request) question() rules.Question {
	return rules.Question{Service: r.svc, Old: r.old, Namespace: r.namespace.Name, NamespaceLabels: r.namespace.Labels}
}

// The numbers are final and nobody has one, so that all that Judge finds is what a policy can find.
func TestThePolicyRefusesWhatTheRulesRefuse(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := pools.Draw(rt, "pools")
		chart := rules.NewChart(clusterRange, all)
		strict := rapid.Bool().Draw(rt, "strict")
		policy := load(t, policyOf(t, chart, all, Options{Strict: strict}))
		for range 10 {
			r := drawRequest(rt)
			q := r.question()
			if strict { // without managed fields every number counts as set
				q.Service = q.Service.DeepCopy()
				q.Service.ManagedFields = nil
			}
			want := rules.Judge(chart, rules.FakeLedger{}, q).Errors
			got, failures := policy.decide(t, r)
			if len(failures) > 0 {
				rt.Fatalf("the policy failed: %q", failures)
			}
			if len(got) > 0 != (len(want) > 0) {
				rt.Fatalf("the policy refuses with %q, the rules with %v", got, want)
			}
		}
	})
}

func TestThePolicyTellsNothingOfPoolsThatServeOthers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := pools.Draw(rt, "pools")
		for i := range all {
			all[i].Name = "secret-" + all[i].Name
		}
		chart := rules.NewChart(clusterRange, all)
		policy := load(t, policyOf(t, chart, all, Options{}))
		for range 10 {
			r := drawRequest(rt)
			mine := chart.PoolsFor(r.namespace.Labels)
			refusals, _ := policy.decide(t, r)
			for _, p := range chart.Pools() {
				if !p.Commons() && !slices.Contains(mine, p) && strings.Contains(strings.Join(refusals, "\n"), p.Name) {
					rt.Fatalf("%s: %q", p.Name, refusals)
				}
			}
		}
	})
}

// makePool makes a pool for the namespaces of a team.
func makePool(name, team string, ranges ...v1alpha1.PortRange) v1alpha1.NodePortPool {
	p := v1alpha1.NodePortPool{}
	p.Name, p.UID = name, types.UID("uid-of-"+name)
	p.Spec = v1alpha1.NodePortPoolSpec{
		Ranges: ranges, Allocation: v1alpha1.AllocationAutomatic, Enforcement: v1alpha1.EnforcementEnforce, MaxPortsPerService: 32,
		NamespaceSelector: metav1.LabelSelector{MatchLabels: map[string]string{"team": team}},
	}
	return p
}

func drains(p v1alpha1.NodePortPool) v1alpha1.NodePortPool {
	p.Spec.Allocation = v1alpha1.AllocationNone
	return p
}

func warns(p v1alpha1.NodePortPool) v1alpha1.NodePortPool {
	p.Spec.Enforcement = v1alpha1.EnforcementWarn
	return p
}

func portRange(from, to int32) v1alpha1.PortRange { return v1alpha1.PortRange{From: from, To: to} }

// several are pools of three teams.
var several = []v1alpha1.NodePortPool{
	makePool("team-a", "a", portRange(30100, 30199), portRange(30500, 30500)),
	makePool("edge", "a", portRange(30200, 30209)),
	drains(makePool("former", "a", portRange(30210, 30219))),
	warns(makePool("team-b", "b", portRange(31000, 31099))),
	makePool("nothing", "c"),
}

var wholeRange = portRange(30000, 32767)

func inTeam(team string) *corev1.Namespace {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{corev1.LabelMetadataName: "shop"}}}
	if team != "" {
		ns.Labels["team"] = team
	}
	return ns
}

// withPorts has so many ports, each with a number of its own from the first on.
func withPorts(s *Service, count int, first int32) *Service {
	for i := range int32(count) {
		s.NodePort(1+i, first+i, Named(fmt.Sprint("p", i)))
	}
	return s
}

func TestARefusalSaysWhatIsWrong(t *testing.T) {
	web := func() *Service { return MakeService("shop/web") }
	for _, c := range []struct {
		name, team string
		svc, old   *Service
		want       []string
	}{
		{name: "inside of the ranges", team: "a", svc: web().NodePort(80, 30500)},
		{
			name: "outside of the ranges", team: "a", svc: web().NodePort(80, 30300),
			want: []string{`node port 30300: not in the node port ranges of namespace "shop": 30100-30199, 30500, 30200-30209, 30210-30219`},
		},
		{
			name: "of a pool that only warns, which is not the namespace's", team: "a", svc: web().NodePort(80, 31000),
			want: []string{`node port 31000: not in the node port ranges of namespace "shop": 30100-30199, 30500, 30200-30209, 30210-30219`},
		},
		{
			name: "of a health check", team: "a", svc: web().NodePort(80, 30100).LoadBalancer().LocalTraffic().HealthCheck(30300),
			want: []string{`node port 30300: not in the node port ranges of namespace "shop": 30100-30199, 30500, 30200-30209, 30210-30219`},
		},
		{name: "of no pool, where the namespace's pool only warns", team: "b", svc: web().NodePort(80, 30300)},
		{
			name: "of another's pool, where the namespace's own only warns", team: "b", svc: web().NodePort(80, 30100),
			want: []string{`node port 30100: not in the node port ranges of namespace "shop": 31000-31099`},
		},
		{
			name: "where there is none to be had", team: "c", svc: web().NodePort(80, 30300),
			want: []string{`node port 30300: namespace "shop" may not use node ports: no pool has numbers for it`},
		},
		{name: "of no pool in a namespace of none", svc: web().NodePort(80, 30300)},
		{
			name: "of a pool in a namespace of none", svc: web().NodePort(80, 30100),
			want: []string{`node port 30100: in a pool that does not serve namespace "shop"`},
		},
		{
			name: "of a pool that is draining", team: "a", svc: web().NodePort(80, 30210),
			want: []string{`node port 30210: pool "former" hands out nothing new`},
		},
		{
			name: "of another pool than the annotation's", team: "a", svc: web().NodePort(80, 30100).Annotation(v1alpha1.PoolAnnotation, "edge"),
			want: []string{`node port 30100: in pool "team-a", but the annotation portolan.dev/pool names pool "edge"`},
		},
		{
			name: "a pool of others", team: "b", svc: web().NodePort(80, 31000).Annotation(v1alpha1.PoolAnnotation, "edge"),
			want: []string{`annotation portolan.dev/pool: "edge" is not a pool of namespace "shop": it has team-b`},
		},
		{
			name: "a pool in a namespace of none", svc: web().NodePort(80, 30300).Annotation(v1alpha1.PoolAnnotation, "edge"),
			want: []string{`annotation portolan.dev/pool: "edge" is not a pool of namespace "shop": it has none`},
		},
		{name: "as many ports as a Service may have", team: "a", svc: withPorts(web(), 32, 30100)},
		{
			name: "more ports than a Service may have", team: "a", svc: withPorts(web(), 33, 30100),
			want: []string{`a Service of namespace "shop" may have 32 node ports`},
		},
		{name: "as many ports as a Service of no pool may have", svc: withPorts(web(), 100, 31100)},
		{
			name: "more ports than a Service of no pool may have", svc: withPorts(web(), 101, 31100),
			want: []string{`a Service of namespace "shop" may have 100 node ports`},
		},
		{
			name: "far more ports", svc: withPorts(web(), 301, 31100),
			want: []string{`a Service of namespace "shop" may have 100 node ports`},
		},
		{name: "more ports where a pool only warns", team: "b", svc: withPorts(web(), 301, 31000)},
		{
			name: "on an ExternalName Service", svc: web().NodePort(80, 30300).Type(corev1.ServiceTypeExternalName),
			want: []string{"nodePort may not be set when `type` is 'ExternalName': Kubernetes stores the number without allocating it, so two Services can end up on one port"},
		},
		{
			name: "kept on leaving ExternalName", svc: web().NodePort(80, 30300), old: web().NodePort(80, 30300).Type(corev1.ServiceTypeExternalName),
			want: []string{"nodePort may not be kept when `type` was 'ExternalName', remove it to get a number allocated: Kubernetes stores the number without allocating it, so two Services can end up on one port"},
		},
		{name: "kept on becoming one", team: "a", svc: web().NodePort(80, 30300).Type(corev1.ServiceTypeExternalName), old: web().NodePort(80, 30300)},
		{
			name: "outside of the ranges since long ago", team: "a",
			svc: web().NodePort(80, 30300).NodePort(81, 30101, Named("new")), old: web().NodePort(80, 30300),
		},
		{
			name: "beside one that was there", team: "a",
			svc: web().NodePort(80, 30300).NodePort(81, 30301, Named("new")), old: web().NodePort(80, 30300),
			want: []string{`node port 30301: not in the node port ranges of namespace "shop": 30100-30199, 30500, 30200-30209, 30210-30219`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request{namespace: inTeam(c.team), svc: c.svc.Obj()}
			if c.old != nil {
				r.old = c.old.Obj()
			}
			chart := rules.NewChart(wholeRange, several)
			got, failures := load(t, policyOf(t, chart, several, Options{})).decide(t, r)
			if diff := cmp.Diff(c.want, got); diff != "" || len(failures) > 0 {
				t.Errorf("(-want +got):\n%s%q", diff, failures)
			}
			if refused := len(rules.Judge(chart, rules.FakeLedger{}, r.question()).Errors) > 0; refused != (len(c.want) > 0) {
				t.Errorf("the rules refuse it: %v", refused)
			}
		})
	}
}
