package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/scheme"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// tenant is a client of somebody who may do everything in a namespace, and nothing elsewhere.
func (w *world) tenant(namespace string) client.Client {
	w.Helper()
	const user = "tenant"
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: user}}
	role.Rules = []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}}
	w.must(w.Create(w.Context(), role))
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: user}}
	binding.Subjects = []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user + "-" + namespace}}
	binding.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user}
	w.must(w.Create(w.Context(), binding))
	config := w.Cluster.Config()
	config.Impersonate = rest.ImpersonationConfig{UserName: user + "-" + namespace}
	config.WarningHandler = rest.NoWarnings{}
	c, err := client.New(config, client.Options{Scheme: scheme.New()})
	w.must(err)
	w.eventually("the tenant may do everything in its namespace", func() error {
		return c.Create(w.Context(), makeReservation(namespace+"/probe", "probe", entry("http", 0)), client.DryRunAll)
	})
	return c
}

// stranger is a tenant with every right in its namespace, beside another one's.
type stranger struct {
	*world
	tenant      client.Client
	shop, other string
	before      map[int32]v1alpha1.NodePortAllocationSpec // of the other namespace
	guessed     string                                    // a pool of the other namespace
}

func TestATenantWithEveryRightInItsNamespaceCannotTakeFreeOrReadAnothersNumbers(t *testing.T) {
	w := share(t)
	s := stranger{world: w, shop: w.namespace("shop"), other: w.namespace("secret-space")}
	numbers, theirs := w.allot(20), w.allot(3)
	w.pool("team-a", numbers, serving(s.shop, s.other))
	w.pool("secret-pool", theirs, serving(s.other))
	s.guessed = w.pool("guessed", w.allot(3), serving(s.other)).Name
	n := func(i int32) int32 { return numbers.From + i }
	web := w.create(makeService(s.other+"/web").NodePort(80, n(0), Named("a")).NodePort(81, theirs.To, Named("b")))
	old := w.create(makeService(s.other+"/old").NodePort(80, n(1)))
	w.wantAllBound(web)
	w.wantAllBound(old)
	w.remove(old)
	w.wantAllBound(w.create(makeService(s.other+"/secret-project").NodePort(80, n(3))))
	w.reserve(s.other+"/promise", "db", entry("sql", n(2)), entry("more", theirs.From))
	w.reserve(s.other+"/secret-plan", "secret-thing", entry("sql", n(4)))
	w.wantReason(n(1), v1alpha1.AllocationReasonHeld)
	s.before = w.factsOf(s.other)
	s.tenant = w.tenant(s.shop)

	for taken := range s.before {
		s.takes(taken)
	}
	s.guesses(n(2))
	s.frees()
	s.reads()
	if diff := cmp.Diff(s.before, w.factsOf(s.other)); diff != "" {
		t.Errorf("the claims of the other namespace (-before +after)\n%s", diff)
	}
	if diff := cmp.Diff(numbersOf(web), numbersOf(w.fetch(web))); diff != "" {
		t.Errorf("the numbers of the other namespace's Service (-before +after)\n%s", diff)
	}
}

// takes tries to have a number by Services, by reservations, and by what these say of themselves.
func (s stranger) takes(n int32) {
	s.Helper()
	for _, name := range []string{"/web", "/db"} {
		err := s.tenant.Create(s.Context(), makeService(s.shop+name).NodePort(80, n).Obj())
		s.wantRefusal(err, "Invalid value")
		s.wantNoSecret(err.Error())
	}
	r := makeReservation(fmt.Sprintf("%s/promise-%d", s.shop, n), "db", entry("sql", n))
	s.must(s.tenant.Create(s.Context(), r))
	s.wantRefused(r)
	r.Status.Ports = []v1alpha1.ReservedPortStatus{{Name: "sql", NodePort: n}}
	r.Status.Conditions[0].Status, r.Status.Conditions[0].Reason = metav1.ConditionTrue, v1alpha1.ReservationReasonReserved
	s.must(s.tenant.Status().Update(s.Context(), r))
	s.wantRefused(r)
}

// guesses tries the names of what the other one has.
func (s stranger) guesses(n int32) {
	s.Helper()
	r := makeReservation(s.shop+"/promise", "db", entry("sql", 0))
	s.must(s.tenant.Create(s.Context(), r))
	s.wantReservation(r, v1alpha1.ReservationReasonReserved)
	mine := reservedFor(r, "sql")
	r.Status.Ports[0].NodePort = n
	s.must(s.tenant.Status().Update(s.Context(), r))
	s.eventually("the reservation says what it has", func() error {
		if err := s.Get(s.Context(), client.ObjectKeyFromObject(r), r); err != nil || reservedFor(r, "sql") != mine {
			return fmt.Errorf("it keeps %s, had %d: %w", kept(r), mine, err)
		}
		return nil
	})
	r = makeReservation(s.shop+"/guess", "web", entry("http", 0), fromPool(s.guessed))
	s.must(s.tenant.Create(s.Context(), r))
	s.wantRefused(r)
}

// frees makes and deletes what is named as the other one's, and tries the claims themselves.
func (s stranger) frees() {
	s.Helper()
	for _, name := range []string{"web", "old", "db"} {
		svc := makeService(s.shop+"/"+name).NodePort(80, 0).Obj()
		s.must(s.tenant.Create(s.Context(), svc))
		s.must(s.tenant.Delete(s.Context(), svc))
	}
	s.must(s.tenant.DeleteAllOf(s.Context(), &v1alpha1.NodePortReservation{}, client.InNamespace(s.shop)))
	for n := range s.before {
		claim := s.claim(n)
		s.wantForbidden(s.tenant.Delete(s.Context(), claim))
		s.wantForbidden(s.tenant.Update(s.Context(), claim))
		s.wantForbidden(s.tenant.Status().Update(s.Context(), claim))
	}
}

func (s stranger) reads() {
	s.Helper()
	for _, list := range []client.ObjectList{
		&v1alpha1.NodePortAllocationList{}, &v1alpha1.NodePortPoolList{}, &v1alpha1.NodePortReservationList{}, &v1alpha1.NodePortUsageList{},
	} {
		s.wantForbidden(s.tenant.List(s.Context(), list))
		s.wantForbidden(s.tenant.List(s.Context(), list, client.InNamespace(s.other)))
	}
	for _, list := range []client.ObjectList{&v1alpha1.NodePortUsageList{}, &eventsv1.EventList{}, &corev1.ServiceList{}} {
		s.must(s.tenant.List(s.Context(), list, client.InNamespace(s.shop)))
		text, err := yaml.Marshal(list)
		s.must(err)
		s.wantNoSecret(string(text))
	}
}

// wantRefused waits until a reservation keeps nothing and says so.
func (s stranger) wantRefused(r *v1alpha1.NodePortReservation) {
	s.Helper()
	s.eventually("reservation "+r.Name+" is refused", func() error {
		if err := s.Get(s.Context(), client.ObjectKeyFromObject(r), r); err != nil {
			return err
		}
		if meta.IsStatusConditionFalse(r.Status.Conditions, v1alpha1.ReservationReady) && len(r.Status.Ports) == 0 {
			return nil
		}
		return fmt.Errorf("its status is %+v", r.Status)
	})
	s.wantNoSecret(r.Status.Conditions[0].Message)
}

// wantNoSecret fails the test if a text tells of another tenant, or of its pools.
func (w *world) wantNoSecret(text string) {
	w.Helper()
	if strings.Contains(text, "secret") {
		w.Errorf("it tells of others: %s", text)
	}
}

func (w *world) wantForbidden(err error) {
	w.Helper()
	if !apierrors.IsForbidden(err) {
		w.Errorf("got %v, want Forbidden", err)
	}
}

// factsOf are the claims of a namespace.
func (w *world) factsOf(namespace string) map[int32]v1alpha1.NodePortAllocationSpec {
	w.Helper()
	claims := &v1alpha1.NodePortAllocationList{}
	w.must(w.List(w.Context(), claims, client.MatchingFields{"spec.serviceRef.namespace": namespace}))
	facts := map[int32]v1alpha1.NodePortAllocationSpec{}
	for i := range claims.Items {
		n, _ := allocator.NumberOf(&claims.Items[i])
		facts[n] = claims.Items[i].Spec
	}
	return facts
}

func TestATenantWithEveryRightInItsNamespaceCannotForgeItsUsage(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	pool := w.pool("team-a", w.allot(5), serving(shop), limitedTo(3))
	u := w.wantUsage(shop, pool, "WithinLimit 0 of 3 []")
	tenant := w.tenant(shop)
	forged := u.DeepCopy()
	forged.Status.Limit = new(int32(100))
	foreign := &v1alpha1.NodePortUsage{}
	foreign.Namespace, foreign.Name = shop, "nobodys"
	for what, err := range map[string]error{
		"its status": tenant.Status().Update(t.Context(), forged),
		"itself":     tenant.Patch(t.Context(), u.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"}}}`))),
		"another":    tenant.Create(t.Context(), foreign),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: got %v, want Forbidden", what, err)
		}
	}
	if got, err := w.usage(shop, pool); err != nil || got.ResourceVersion != u.ResourceVersion {
		t.Errorf("the report was changed: %v", err)
	}
	// It may be deleted, as a namespace's deletion needs it to be, and comes back.
	w.must(tenant.Delete(t.Context(), u))
	w.eventually("the report is back", func() error {
		got, err := w.usage(shop, pool)
		if err != nil || got == nil || got.UID == u.UID {
			return fmt.Errorf("it is %v: %w", got, err)
		}
		return nil
	})
	w.wantUsage(shop, pool, "WithinLimit 0 of 3 []")
}
