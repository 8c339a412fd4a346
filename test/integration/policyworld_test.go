package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/admissionpolicy"
	"github.com/portolan-dev/portolan/internal/scheme"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/install"
)

// byPolicy says whether it was the API server itself that refused, by a ValidatingAdmissionPolicy.
func byPolicy(err error) bool {
	return err != nil && strings.Contains(err.Error(), "ValidatingAdmissionPolicy '"+admissionpolicy.Name+"'")
}

// inStep makes a request. Policy and webhooks decide alike, but an API server loads a policy up to a second or so after
// it has changed: while managers run, what the policy alone refuses is asked again.
func (w *world) inStep(request func() error) (err error) {
	for deadline := time.Now().Add(patience); ; <-time.After(poll) {
		if err = request(); !byPolicy(err) || len(w.replicas) == 0 || time.Now().After(deadline) {
			return err
		}
	}
}

// asManager is a client whom the API server takes for the manager. No webhook of ours is asked about its Services, and
// it may do everything.
func (p *plane) asManager() client.Client {
	return p.clientAs(rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + install.Namespace + ":portolan-controller-manager", Groups: []string{"system:masters"}})
}

func (p *plane) clientAs(user rest.ImpersonationConfig) client.Client {
	config := p.Cluster.Config()
	config.WarningHandler = rest.NoWarnings{}
	config.Impersonate = user
	c, err := client.New(config, client.Options{Scheme: scheme.New()})
	if err != nil {
		panic(err) // the scheme is ours, and nothing is asked yet
	}
	return c
}

// awaitVerdict waits until the policy alone refuses a new Service, or does not.
func (w *world) awaitVerdict(svc *servicetest.Service, refused bool) {
	w.Helper()
	w.awaitAnswer(svc, fmt.Sprintf("refused by the policy: %v", refused), func(err error) bool { return byPolicy(err) == refused })
}

// awaitAnswer waits until a new Service, which no webhook of ours is asked about, gets an answer that is wanted.
func (w *world) awaitAnswer(svc *servicetest.Service, what string, wanted func(error) bool) {
	w.Helper()
	asManager := w.asManager()
	w.eventually(what, func() error {
		if err := asManager.Create(w.Context(), svc.Obj(), client.DryRunAll); !wanted(err) {
			return fmt.Errorf("the answer is %w", err)
		}
		return nil
	})
}

// policyAndBinding are as the API server has them; an error is that one is not there.
func (w *world) policyAndBinding() (*admissionv1.ValidatingAdmissionPolicy, *admissionv1.ValidatingAdmissionPolicyBinding, error) {
	policy, binding := &admissionv1.ValidatingAdmissionPolicy{}, &admissionv1.ValidatingAdmissionPolicyBinding{}
	for _, object := range []client.Object{policy, binding} {
		if err := w.Get(w.Context(), client.ObjectKey{Name: admissionpolicy.Name}, object); err != nil {
			return nil, nil, err
		}
	}
	return policy, binding, nil
}

// awaitPolicyOf waits until there is a policy of just these pools, and returns it.
func (w *world) awaitPolicyOf(pools ...*v1alpha1.NodePortPool) *admissionv1.ValidatingAdmissionPolicy {
	w.Helper()
	var policy *admissionv1.ValidatingAdmissionPolicy
	w.eventually("the policy of the pools", func() error {
		var binding *admissionv1.ValidatingAdmissionPolicyBinding
		var err error
		if policy, binding, err = w.policyAndBinding(); err != nil {
			return err
		}
		for _, owned := range []client.Object{policy, binding} {
			if got := owned.GetOwnerReferences(); len(got) != len(pools) || slices.ContainsFunc(pools, func(p *v1alpha1.NodePortPool) bool {
				return !slices.ContainsFunc(got, func(o metav1.OwnerReference) bool { return o.UID == p.UID })
			}) {
				return fmt.Errorf("%T belongs to %v", owned, got)
			}
		}
		return nil
	})
	return policy
}

// awaitChecked waits until the API server's controller has looked at the policy's types, and returns it.
func (w *world) awaitChecked() *admissionv1.ValidatingAdmissionPolicy {
	w.Helper()
	var policy *admissionv1.ValidatingAdmissionPolicy
	w.eventually("the policy is checked", func() (err error) {
		if policy, _, err = w.policyAndBinding(); err != nil {
			return err
		}
		if policy.Status.ObservedGeneration != policy.Generation || policy.Status.TypeChecking == nil {
			return fmt.Errorf("generation %d is not: %+v", policy.Generation, policy.Status)
		}
		return nil
	})
	return policy
}

// awaitNoPolicy waits until policy and binding are gone.
func (w *world) awaitNoPolicy() {
	w.Helper()
	w.eventually("policy and binding are gone", func() error {
		policy := w.Get(w.Context(), client.ObjectKey{Name: admissionpolicy.Name}, &admissionv1.ValidatingAdmissionPolicy{})
		binding := w.Get(w.Context(), client.ObjectKey{Name: admissionpolicy.Name}, &admissionv1.ValidatingAdmissionPolicyBinding{})
		return errors.Join(stillThere(policy), stillThere(binding))
	})
}

// awaitGarbageCollector waits until the garbage collector watches pools: it learns of new kinds twice a minute. The sign
// is that a pool goes whose deletion has to wait for its dependents: that it sees on the pool alone.
func (w *world) awaitGarbageCollector() {
	w.Helper()
	pool := makePool(w.nameLike("short-lived"), v1alpha1.PortRange{From: 1, To: 1}, serving("nobody"), onlyWarning)
	pool.Spec.Ranges = []v1alpha1.PortRange{}
	w.must(w.Create(w.Context(), pool))
	w.must(w.Delete(w.Context(), pool, client.PropagationPolicy(metav1.DeletePropagationForeground)))
	for deadline := time.Now().Add(3 * patience); time.Now().Before(deadline); <-time.After(poll) {
		if apierrors.IsNotFound(w.Get(w.Context(), client.ObjectKeyFromObject(pool), pool)) {
			return
		}
	}
	w.Fatal("the garbage collector does not look at pools")
}

// policy takes the policy away, and waits until the API server does not go by it any more. It knows that by a Service
// that every policy of ours refuses.
func (c tidying) policy(ctx context.Context) {
	for _, object := range []client.Object{&admissionv1.ValidatingAdmissionPolicyBinding{}, &admissionv1.ValidatingAdmissionPolicy{}} {
		object.SetName(admissionpolicy.Name)
		c.ignoring(c.Delete(ctx, object))
	}
	hole := makeService(corev1.NamespaceDefault+"/portolan-test").Type(corev1.ServiceTypeExternalName).NodePort(80, 30000).Obj()
	hole.Spec.ExternalName = "example.com"
	asManager := c.asManager()
	c.ignoring(await(func() error {
		err := asManager.Create(ctx, hole.DeepCopy(), client.DryRunAll)
		if byPolicy(err) {
			return err
		}
		c.ignoring(err)
		return nil
	}))
}

// somebodyWhoMayDoEverything is a client of a user with every right that RBAC can give, but not the manager.
func (w *world) somebodyWhoMayDoEverything(name string) client.Client {
	w.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}}}
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}}}
	for _, object := range []client.Object{role, binding} {
		w.must(w.Create(w.Context(), object))
		w.Cleanup(func() { tidying{w.plane, w.T}.ignoring(w.Delete(context.Background(), object)) })
	}
	somebody := w.clientAs(rest.ImpersonationConfig{UserName: name})
	w.eventually("RBAC knows them", func() error {
		return somebody.List(w.Context(), &v1alpha1.NodePortAllocationList{})
	})
	return somebody
}
