package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/manager"
	"github.com/portolan-dev/portolan/internal/rules"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestTheRulesHoldWhileNoManagerRuns(t *testing.T) {
	w := alone(t)
	w.start(nil)
	shop, other, none := w.namespace("shop"), w.namespace("other"), w.namespace("none")
	w.pool("team-a", v1alpha1.PortRange{From: 31100, To: 31199}, serving(shop))
	w.pool("drained", v1alpha1.PortRange{From: 31200, To: 31209}, serving(shop), withAllocation(v1alpha1.AllocationNone))
	w.pool("warns", v1alpha1.PortRange{From: 31210, To: 31219}, serving(other), onlyWarning)
	w.awaitVerdict(makeService(other+"/web").NodePort(80, 31100), true)
	w.awaitVerdict(makeService(shop+"/web").NodePort(80, 31205), true)
	w.awaitVerdict(makeService(shop+"/web").NodePort(80, 31210), true)
	w.stop()

	web := makeService(shop+"/web").NodePort(80, 31100, Named("http")).NodePort(443, 31101, Named("https"))
	for _, tc := range []struct {
		name string
		svc  *Service
		want string
	}{
		{"outside of the namespace's ranges", makeService(shop+"/a").NodePort(80, 31300), `node port 31300: not in the node port ranges of namespace "shop": 31100-31199, 31200-31209`},
		{"of others, for a namespace of no pool", makeService(none+"/a").NodePort(80, 31100), `node port 31100: in a pool that does not serve namespace "none"`},
		{"of others, where the own pool only warns", makeService(other+"/a").NodePort(80, 31100), `node port 31100: not in the node port ranges of namespace "other": 31210-31219`},
		{"of a pool that is draining", makeService(shop+"/a").NodePort(80, 31205), `node port 31205: pool "drained" hands out nothing new`},
		{"one of two", makeService(shop+"/a").NodePort(80, 31105, Named("a")).NodePort(81, 31300, Named("b")), "node port 31300: not in"},
		{"of a health check", makeService(shop+"/a").LoadBalancer().LocalTraffic().NodePort(80, 31105).HealthCheck(31300), "node port 31300: not in"},
		{"with another's annotation", makeService(other+"/a").NodePort(80, 0).Annotation(v1alpha1.PoolAnnotation, "team-a"), `is not a pool of namespace "other": it has warns`},
		{"too many", manyPorts(shop+"/a", 33), `a Service of namespace "shop" may have 32 node ports`},
	} {
		_, err := w.tryCreate(tc.svc)
		if w.wantRefusal(err, tc.want); !byPolicy(err) {
			t.Errorf("%s: refused by somebody else: %v", tc.name, err)
		}
	}
	for _, svc := range []*Service{
		web, // inside
		makeService(shop+"/native").NodePort(80, 0),                                  // picked by Kubernetes
		makeService(shop + "/picked").LoadBalancer().LocalTraffic().Port(80),         // with a health check
		makeService(other+"/outside").NodePort(80, 31300),                            // the pool only warns
		makeService(none+"/common").NodePort(80, 31301),                              // of no pool
		makeService(shop + "/cluster-ip").Port(80),                                   // no node port
		manyPorts(other+"/many", 40),                                                 // the pool only warns
		makeService(shop + "/none").LoadBalancer().AllocateNodePorts(false).Port(80), // no node port
	} {
		w.create(svc)
	}
	w.must(w.Delete(t.Context(), makeService(other+"/many").Obj()))                   // Kubernetes picks numbers that are asked for below
	_, err := w.tryCreate(makeService(shop+"/dry").NodePort(80, 0), client.DryRunAll) // a dummy number
	w.must(err)

	live := w.fetch(web.Obj())
	_, err = w.tryChange(live, func(svc *corev1.Service) { svc.Spec.Ports[0].NodePort = 31050 })
	w.wantRefusal(err, "node port 31050: not in the node port ranges")
	w.change(live, func(svc *corev1.Service) { svc.Spec.Ports[0].NodePort = 31199 })
	w.change(live, toType(corev1.ServiceTypeLoadBalancer))
	native := w.fetch(makeService(shop + "/native").Obj())
	w.change(native, func(svc *corev1.Service) { svc.Spec.Ports[0].Name = "http" })
	w.change(native, func(svc *corev1.Service) { svc.Labels = map[string]string{"tier": "front"} })
}

func TestStrictJudgesWhatKubernetesPicksToo(t *testing.T) {
	w := alone(t)
	w.start(func(o *manager.Options) { o.Strict = true })
	shop := w.namespace("shop")
	w.pool("team-a", v1alpha1.PortRange{From: 31100, To: 31100}, serving(shop))
	w.awaitVerdict(makeService(shop+"/a").NodePort(80, 31200), true)
	w.create(makeService(shop+"/web").NodePort(80, 0)) // has the pool's only number now
	w.stop()
	_, err := w.tryCreate(makeService(shop+"/native").NodePort(80, 0))
	w.wantRefusal(err, `not in the node port ranges of namespace "shop": 31100`)
}

func TestThePolicyComesWithTheFirstPoolAndGoesWithTheLast(t *testing.T) {
	for _, tc := range []struct {
		name string
		away bool
	}{{"while the manager runs", false}, {"while it is away", true}} {
		t.Run(tc.name, func(t *testing.T) {
			w := alone(t)
			w.start(nil)
			shop := w.namespace("shop")
			first := w.pool("first", v1alpha1.PortRange{From: 31100, To: 31109}, serving(shop))
			second := w.pool("second", v1alpha1.PortRange{From: 31110, To: 31119}, serving(shop))
			policy := w.awaitPolicyOf(first, second)
			// Both times are whole seconds.
			if lag := policy.CreationTimestamp.Sub(first.CreationTimestamp.Time); lag > time.Second {
				t.Errorf("the policy came %s after the pool", lag)
			}
			if tc.away {
				w.awaitGarbageCollector()
				w.stop()
			}
			w.must(w.Delete(t.Context(), first))
			if !tc.away {
				w.awaitPolicyOf(second)
			}
			w.must(w.Delete(t.Context(), second))
			w.awaitNoPolicy()
			w.awaitVerdict(makeService(shop+"/web").NodePort(80, 31300), false)
		})
	}
}

func TestAChangedPolicyIsMendedAndAGoodOneIsNotWritten(t *testing.T) {
	w := alone(t)
	w.start(nil)
	pool := w.pool("team-a", v1alpha1.PortRange{From: 31100, To: 31109}, serving(w.namespace("shop")))
	w.awaitPolicyOf(pool)
	for _, tc := range []struct {
		name  string
		spoil func(policy *admissionv1.ValidatingAdmissionPolicy, binding *admissionv1.ValidatingAdmissionPolicyBinding) error
		left  bool // the policy as it is, so that there is nothing to write
	}{
		{"the binding is deleted", func(_ *admissionv1.ValidatingAdmissionPolicy, b *admissionv1.ValidatingAdmissionPolicyBinding) error {
			return w.Delete(t.Context(), b)
		}, true},
		{"the binding only warns", func(_ *admissionv1.ValidatingAdmissionPolicy, b *admissionv1.ValidatingAdmissionPolicyBinding) error {
			b.Spec.ValidationActions = []admissionv1.ValidationAction{admissionv1.Warn}
			return w.Update(t.Context(), b)
		}, true},
		{"the binding is for another namespace", func(_ *admissionv1.ValidatingAdmissionPolicy, b *admissionv1.ValidatingAdmissionPolicyBinding) error {
			b.Spec.MatchResources = &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}}
			return w.Update(t.Context(), b)
		}, true},
		{"the policy has a condition more", func(p *admissionv1.ValidatingAdmissionPolicy, _ *admissionv1.ValidatingAdmissionPolicyBinding) error {
			p.Spec.MatchConditions = append(p.Spec.MatchConditions, admissionv1.MatchCondition{Name: "never", Expression: "false"})
			return w.Update(t.Context(), p)
		}, false},
		{"the policy lets everything through", func(p *admissionv1.ValidatingAdmissionPolicy, _ *admissionv1.ValidatingAdmissionPolicyBinding) error {
			p.Spec.Validations = []admissionv1.Validation{{Expression: "true"}}
			return w.Update(t.Context(), p)
		}, false},
		{"the policy belongs to nobody", func(p *admissionv1.ValidatingAdmissionPolicy, _ *admissionv1.ValidatingAdmissionPolicyBinding) error {
			p.OwnerReferences = nil
			return w.Update(t.Context(), p)
		}, false},
		{"the policy is deleted", func(p *admissionv1.ValidatingAdmissionPolicy, _ *admissionv1.ValidatingAdmissionPolicyBinding) error {
			return w.Delete(t.Context(), p)
		}, false},
	} {
		var good *admissionv1.ValidatingAdmissionPolicy
		binding := &admissionv1.ValidatingAdmissionPolicyBinding{}
		w.eventually("spoiled: "+tc.name, func() error { // the manager may write once more after the last case
			good = w.awaitChecked()
			w.must(w.Get(t.Context(), client.ObjectKeyFromObject(good), binding))
			return tc.spoil(good.DeepCopy(), binding.DeepCopy())
		})
		w.eventually("mended though "+tc.name, func() error {
			policy, bound, err := w.policyAndBinding()
			if err != nil {
				return err
			}
			return errors.Join(
				differs("policy", good.Spec, policy.Spec), differs("its owners", good.OwnerReferences, policy.OwnerReferences),
				differs("binding", binding.Spec, bound.Spec), differs("its owners", binding.OwnerReferences, bound.OwnerReferences))
		})
		if policy, _, err := w.policyAndBinding(); err != nil || tc.left != (policy.ResourceVersion == good.ResourceVersion) {
			t.Errorf("%s: that the policy was left is %v, want %v: %v\n%s", tc.name, !tc.left, tc.left, err, cmp.Diff(good, policy))
		}
	}
}

func differs(what string, want, got any) error {
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("%s (-want +got)\n%s", what, diff)
	}
	return nil
}

func TestTwoHundredPoolsAreOnePolicy(t *testing.T) {
	w := alone(t)
	w.start(nil)
	shop := w.namespace("shop")
	var pools []*v1alpha1.NodePortPool
	started := time.Now()
	for i := range int32(200) {
		from := secondRange.From + 20*i
		pool := makePool(w.nameLike(fmt.Sprintf("pool-%03d", i)), v1alpha1.PortRange{From: from, To: from + 2},
			twoRanges(v1alpha1.PortRange{From: from + 4, To: from + 4}), twoRanges(v1alpha1.PortRange{From: from + 6, To: from + 15}),
			serving(fmt.Sprintf("nobody-%03d", i), fmt.Sprintf("nobody-%03d-staging", i)))
		if i == 137 {
			serving(shop)(&pool.Spec)
		}
		w.must(w.Create(t.Context(), pool))
		pools = append(pools, pool)
	}
	t.Logf("200 pools are made after %s", time.Since(started))
	policy := w.awaitPolicyOf(pools...)
	t.Logf("generation %d, after %s, is their policy", policy.Generation, time.Since(started))
	policy = w.awaitChecked()
	if warnings := policy.Status.TypeChecking.ExpressionWarnings; len(warnings) > 0 {
		t.Errorf("it has warnings: %v", warnings)
	}
	w.wantPoolReady(pools[199], metav1.ConditionTrue, v1alpha1.PoolReasonAvailable)
	mine := pools[137].Spec.Ranges
	w.awaitVerdict(makeService(shop+"/web").NodePort(80, mine[0].From-1), true)
	w.stop()
	_, err := w.tryCreate(makeService(shop+"/web").NodePort(80, pools[0].Spec.Ranges[0].From))
	w.wantRefusal(err, fmt.Sprintf(`not in the node port ranges of namespace "shop": %d-%d, %d, %d-%d`,
		mine[0].From, mine[0].To, mine[1].From, mine[2].From, mine[2].To))
	w.create(makeService(shop+"/web").NodePort(80, mine[2].To))
	started = time.Now()
	for i := range int32(20) {
		w.create(makeService(fmt.Sprintf("%s/web-%d", shop, i)).NodePort(80, 0))
	}
	t.Logf("20 Services took %s", time.Since(started))
}

// tooLong is more than an API server takes in one expression.
func tooLong(s *v1alpha1.NodePortPoolSpec) {
	var names []string
	for i := range 2000 {
		names = append(names, fmt.Sprintf("%s-%d", strings.Repeat("x", 50), i))
	}
	serving(names...)(s)
}

func TestAPolicyThatTheAPIServerDoesNotLikeShowsOnThePoolsThatEnforce(t *testing.T) {
	w := alone(t)
	w.start(nil)
	shop := w.namespace("shop")
	enforcing := w.pool("enforces", v1alpha1.PortRange{From: 31100, To: 31109}, serving(shop))
	warning := w.pool("warns", v1alpha1.PortRange{From: 31110, To: 31119}, serving(shop), onlyWarning)
	w.wantPoolReady(enforcing, metav1.ConditionTrue, v1alpha1.PoolReasonAvailable)

	long := w.pool("long", v1alpha1.PortRange{From: 31120, To: 31129}, tooLong)
	w.wantPoolReady(enforcing, metav1.ConditionFalse, v1alpha1.PoolReasonPolicyNotCompiled)
	w.wantPoolReady(long, metav1.ConditionFalse, v1alpha1.PoolReasonPolicyNotCompiled)
	message := enforcing.Status.Conditions[0].Message
	t.Log(message)
	if !strings.HasPrefix(message, "while Portolan is away, the rules of the pools as they are now do not hold: ") ||
		!strings.Contains(message, "expression code point size exceeds limit") || len(message) > 1000 {
		t.Errorf("the condition says %q", message)
	}
	w.wantPoolReady(warning, metav1.ConditionTrue, v1alpha1.PoolReasonAvailable)
	w.must(w.Delete(t.Context(), long))
	w.wantPoolReady(enforcing, metav1.ConditionTrue, v1alpha1.PoolReasonAvailable)

	policy := w.awaitPolicyOf(enforcing, warning)
	check := func(checked *admissionv1.TypeChecking) {
		w.eventually("the type check is written", func() error { // Kubernetes writes there, too
			w.must(w.Get(t.Context(), client.ObjectKeyFromObject(policy), policy))
			policy.Status.TypeChecking = checked
			return w.Status().Update(t.Context(), policy)
		})
	}
	check(&admissionv1.TypeChecking{ExpressionWarnings: []admissionv1.ExpressionWarning{{FieldRef: "spec.validations[0].expression", Warning: "undefined field"}}})
	w.wantPoolReady(enforcing, metav1.ConditionFalse, v1alpha1.PoolReasonPolicyNotCompiled)
	w.wantPoolReady(warning, metav1.ConditionTrue, v1alpha1.PoolReasonAvailable)
	check(nil)
	w.wantPoolReady(enforcing, metav1.ConditionTrue, v1alpha1.PoolReasonAvailable)
}

func TestARefusalByThePolicyAloneSaysWhatIsWrong(t *testing.T) {
	w := alone(t)
	w.start(nil)
	s := &transcript{world: w}
	shop, other, none := w.namespace("shop"), w.namespace("other"), w.namespace("none")
	w.pool("team-a", v1alpha1.PortRange{From: 31100, To: 31199}, serving(shop), twoRanges(v1alpha1.PortRange{From: 31500, To: 31500}))
	edge := w.pool("edge", v1alpha1.PortRange{From: 31200, To: 31209}, serving(shop))
	w.pool("theirs", v1alpha1.PortRange{From: 31210, To: 31219}, serving(other))
	w.pool("nothing", v1alpha1.PortRange{From: 31220, To: 31229}, serving(none), func(p *v1alpha1.NodePortPoolSpec) { p.Ranges = []v1alpha1.PortRange{} })
	drained := w.pool("drained", v1alpha1.PortRange{From: 31230, To: 31239}, serving(shop), withAllocation(v1alpha1.AllocationNone))
	w.awaitAnswer(makeService(shop+"/web").NodePort(80, drained.Spec.Ranges[0].From), "the policy has the last of the pools", func(err error) bool {
		return err != nil && strings.Contains(err.Error(), rules.HandsOutNothing)
	})
	w.stop()

	web := func() *Service { return makeService(shop + "/web") }
	s.create("A number outside of the namespace's ranges", web().NodePort(80, 31300))
	s.create("A number of another namespace's pool", web().NodePort(80, 31215))
	s.create("A health check's number outside of the ranges", web().LoadBalancer().LocalTraffic().NodePort(80, 31105).HealthCheck(31300))
	s.create("A number of a pool that is draining", web().NodePort(80, 31235))
	s.create("A number that is not in the pool of the annotation", web().NodePort(80, 31105).Annotation(v1alpha1.PoolAnnotation, edge.Name))
	s.create("A pool that serves others", web().NodePort(80, 0).Annotation(v1alpha1.PoolAnnotation, "theirs"))
	s.create("More ports than a Service may have", manyPorts(shop+"/web", 33))
	s.create("A namespace that may not use node ports", makeService(none+"/web").NodePort(80, 31105))
	external := web().Type(corev1.ServiceTypeExternalName).NodePort(80, 31105).Obj()
	external.APIVersion, external.Kind, external.Spec.ExternalName = "v1", "Service", "example.com"
	s.apply("A number on an ExternalName Service", external)
	s.create("A number inside: it is allowed", web().NodePort(80, 31105))
	s.create("A change to a number outside", web().NodePort(80, 31300))
	w.golden("policy-refusals", s.text.String())
}

func TestOnlyTheManagerWritesTheLedger(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(3), serving(shop))
	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	w.wantAllBound(web)
	free := freeOf(w.ranges[0], number(web))
	somebody := w.somebodyWhoMayDoEverything("ledger-" + shop)

	forged := &v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(free)}, Spec: w.claim(number(web)).Spec}
	usage := &v1alpha1.NodePortUsage{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "team-a"}}
	held := func(a *v1alpha1.NodePortAllocation) { a.Spec.HoldUntil = &metav1.Time{Time: time.Now().Add(time.Hour)} }
	for name, try := range map[string]func(ctx context.Context) error{
		"create":            func(ctx context.Context) error { return somebody.Create(ctx, forged.DeepCopy()) },
		"create by dry-run": func(ctx context.Context) error { return somebody.Create(ctx, forged.DeepCopy(), client.DryRunAll) },
		"update":            func(ctx context.Context) error { a := w.claim(number(web)); held(a); return somebody.Update(ctx, a) },
		"label": func(ctx context.Context) error {
			a := w.claim(number(web))
			a.Labels = map[string]string{"a": "b"}
			return somebody.Update(ctx, a)
		},
		"patch": func(ctx context.Context) error {
			return somebody.Patch(ctx, w.claim(number(web)), client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"serviceRef":{"name":"mine"}}}`)))
		},
		"update of the status": func(ctx context.Context) error {
			a := w.claim(number(web))
			a.Status.Protocols = "SCTP"
			return somebody.Status().Update(ctx, a)
		},
		"create of a usage": func(ctx context.Context) error { return somebody.Create(ctx, usage.DeepCopy()) },
	} {
		t.Run(name, func(t *testing.T) {
			err := try(t.Context())
			if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "only Portolan writes nodeport") {
				t.Errorf("got %v, want a refusal", err)
			}
		})
	}
	if a := w.claim(free); a != nil {
		t.Errorf("there is %v", a)
	}
}

// The garbage collector takes a finalizer off when its time has come: that is an update, and not by the manager.
func TestAnAllocationCanBeDeletedInTheForegroundAndComesBack(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(3), serving(shop))
	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	w.wantAllBound(web)
	before := w.claim(number(web))
	w.must(w.Delete(t.Context(), before, client.PropagationPolicy(metav1.DeletePropagationForeground)))
	w.eventually("it comes back", func() error {
		if now := w.claim(number(web)); now == nil || now.UID == before.UID {
			return fmt.Errorf("it is %v", now)
		}
		return nil
	})
}
