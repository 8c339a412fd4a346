package admissionpolicy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// drawRequest draws one that has got past the API server's own checks.
func drawRequest(t *rapid.T) request {
	r := request{namespace: namespace.Draw(t, "namespace"), dryRun: rapid.IntRange(0, 3).Draw(t, "dry-run") == 0}
	switch rapid.SampledFrom([]string{"create", "create", "update", "update of numbers", "update of the rest"}).Draw(t, "what") {
	case "create":
		r.svc = created.Draw(t, "service")
	case "update":
		r.svc, r.old = updated.Draw(t, "service"), updated.Draw(t, "old")
	case "update of numbers":
		r.svc, r.old = updated.Draw(t, "service"), updated.Draw(t, "old")
		keepSome(t, r.svc, r.old)
	case "update of the rest":
		r.svc = updated.Draw(t, "service")
		r.old = r.svc.DeepCopy()
		metav1.SetMetaDataLabel(&r.svc.ObjectMeta, "tier", "front")
	}
	return r
}

// keepSome lets the old Service have had some of the numbers that the new one has.
func keepSome(t *rapid.T, svc, old *corev1.Service) {
	had := slices.Clone(svc.Spec.Ports)
	if lost := rapid.IntRange(0, len(had)).Draw(t, "had no number"); lost < len(had) {
		had[lost].NodePort = 0
	}
	old.Spec.Ports = had
	if rapid.Bool().Draw(t, "with the same health check") {
		old.Spec.HealthCheckNodePort = svc.Spec.HealthCheckNodePort
	}
}

// nameOwnPool has some of the Services ask for a pool of their namespace.
func nameOwnPool(t *rapid.T, chart *rules.Chart, r request) {
	if mine := chart.PoolsFor(r.namespace.Labels); !mine[0].Commons() && rapid.IntRange(0, 2).Draw(t, "names its own pool") == 0 {
		metav1.SetMetaDataAnnotation(&r.svc.ObjectMeta, v1alpha1.PoolAnnotation, rapid.SampledFrom(mine).Draw(t, "pool").Name)
	}
}

func (r request) question() rules.Question {
	return rules.Question{Service: r.svc, Old: r.old, Namespace: r.namespace.Name, NamespaceLabels: r.namespace.Labels, DryRun: r.dryRun}
}

// reasons are those of the rules that each validation stands for, in their order.
var reasons = [][]rules.Reason{
	{rules.ReasonExternalName},
	{rules.ReasonExternalName},
	{rules.ReasonUnknownPool},
	{rules.ReasonTooManyPorts},
	{rules.ReasonOutsideRanges, rules.ReasonForeignPool, rules.ReasonNotInNamedPool, rules.ReasonDraining},
}

// The numbers are final and nobody has one, so that all that Judge finds is what a policy can find. What the API server
// shows, the first refusal, is of a rule that the Service breaks.
func TestThePolicyRefusesWhatTheRulesRefuse(t *testing.T) {
	met := tally{}
	rapid.Check(t, func(rt *rapid.T) {
		all := pools.Draw(rt, "pools")
		chart := rules.NewChart(clusterRange, all)
		strict := rapid.Bool().Draw(rt, "strict")
		policy := load(t, policyOf(t, chart, all, Options{Strict: strict}))
		for range 15 {
			r := drawRequest(rt)
			nameOwnPool(rt, chart, r)
			if errs := serviceports.DuplicateNumbers(r.old, r.svc); len(errs) > 0 {
				rt.Fatalf("the API server refuses what is drawn: %v", errs)
			}
			q := r.question()
			if strict { // without managed fields every number counts as set
				q.Service = q.Service.DeepCopy()
				q.Service.ManagedFields = nil
			}
			answer := rules.Judge(chart, rules.FakeLedger{}, q)
			first := firstRefusal(rt, policy.decisions(t, r))
			if (first < 0) != (len(answer.Errors) == 0) || first >= 0 && !breaks(answer, reasons[first]) {
				rt.Fatalf("of the policy validation %d refuses, the rules say %v", first, answer.Errors)
			}
			met.note(chart, r, strict, answer)
		}
	})
	met.atLeast(t, map[string]int{
		"create": 200, "update": 200, "update that leaves spec alone": 80, "dry-run": 100, "strict": 200, "admitted": 100,
		"refused: ExternalName": 20, "refused: UnknownPool": 20, "refused: TooManyPorts": 20, "refused: OutsideRanges": 20,
		"refused: ForeignPool": 15, "refused: NotInNamedPool": 2, "refused: Draining": 2,
		"ExternalName kept on leaving": 2, "too many for a namespace of no pool": 0,
		"warned: OutsideRanges": 6, "warned: Draining": 1, "warned: TooManyPorts": 0,
		"namespace without labels": 30, "namespace of several pools": 60, "namespace whose pools only warn": 8, "namespace of no pool": 60,
		"health check out of place": 3, "out of place, and had before": 20,
		"out of place, and set by nobody": 6, "out of place, set by nobody in a dry-run": 1,
		"no managed fields": 80, "two managers": 80, "a manager of status": 60,
		"a selector of In": 4, "a selector of NotIn": 10, "a selector of Exists": 4, "a selector of DoesNotExist": 4,
		"a selector of labels": 5, "a selector that cannot be read": 20,
	})
}

// firstRefusal is the place of the first validation that refuses; -1: none does.
func firstRefusal(t *rapid.T, decisions []validating.PolicyDecision) int {
	first := -1
	for i, d := range decisions {
		if d.Evaluation == validating.EvalError {
			t.Fatalf("the policy failed: %q", d.Message)
		}
		if d.Evaluation == validating.EvalDeny && first < 0 {
			first = i
		}
	}
	return first
}

func breaks(a rules.Answer, one []rules.Reason) bool {
	return slices.ContainsFunc(a.Breaches, func(b rules.Breach) bool { return b.Enforced && slices.Contains(one, b.Reason) })
}

var aNumber = regexp.MustCompile(`[0-9]+`)

// Neither the name nor a number of a pool that serves others stands in what a policy says.
func TestThePolicyTellsNothingOfPoolsThatServeOthers(t *testing.T) {
	met := tally{}
	rapid.Check(t, func(rt *rapid.T) {
		all := pools.Draw(rt, "pools")
		for i := range all {
			all[i].Name = "secret-" + all[i].Name
		}
		chart := rules.NewChart(clusterRange, all)
		policy := load(t, policyOf(t, chart, all, Options{}))
		for range 10 {
			met.count(everything)
			r := drawRequest(rt)
			mine := chart.PoolsFor(r.namespace.Labels)
			known := r.known(mine)
			refusals, failures := policy.decide(t, r)
			for _, text := range append(refusals, failures...) {
				met.count("refusal")
				met.countIf("refusal with a number", aNumber.MatchString(text))
				for _, p := range chart.Pools() {
					if !p.Commons() && !slices.Contains(mine, p) && strings.Contains(text, p.Name) {
						rt.Fatalf("%s: %q", p.Name, text)
					}
				}
				for _, n := range aNumber.FindAllString(text, -1) {
					if !known[n] {
						rt.Fatalf("%s is told: %q", n, text)
					}
				}
			}
		}
	})
	met.atLeast(t, map[string]int{"refusal": 200, "refusal with a number": 60})
}

// known are the numbers that the user of a request may read: those of the Service, and of the namespace's own pools.
func (r request) known(mine []*rules.Pool) map[string]bool {
	known := map[string]bool{strconv.Itoa(rules.MaxClaims): true}
	for _, n := range serviceports.Numbers(serviceports.Stored(r.svc)) {
		known[strconv.Itoa(int(n))] = true
	}
	for _, p := range mine {
		if p.Commons() {
			continue
		}
		known[strconv.Itoa(int(p.Spec.MaxPortsPerService))] = true
		for _, n := range aNumber.FindAllString(p.Numbers.String(), -1) {
			known[n] = true
		}
	}
	return known
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
