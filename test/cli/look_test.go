package cli

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// TestVerbsThatOnlyLook has its parts in order: first there is nothing, then there are pools and Services.
func TestVerbsThatOnlyLook(t *testing.T) {
	t.Run("an empty cluster says what to do", func(t *testing.T) {
		for _, args := range []string{"map", "list", "list -A", "list -A -o name", "who 30100", "who 80", "who web"} {
			wantGolden(t, "empty "+args, operator(t).run(strings.Fields(args)...).String())
		}
	})
	t.Run("an empty cluster fits on each screen", emptyCluster)
	populate(t)
	t.Run("an operator sees everything", func(t *testing.T) {
		for _, args := range []string{"map", "map -n shop", "map --pool team-a", "map --pool nobodys", "list", "list -n shop", "list -A", "list -A --state held,reserved",
			"list -A --pool team-a -o name", "list -A -o wide", "who 30100 30101 30102 30103 31000"} {
			wantGolden(t, "operator "+args, sameEachTime(operator(t).run(strings.Fields(args)...).String()))
		}
	})
	t.Run("a tenant sees what is its own", func(t *testing.T) {
		for _, args := range []string{"map", "list", "list -A", "list -o yaml", "who 30100 30101 30102 31000"} {
			got := tenant(t, "shop").run(append(strings.Fields(args), "-n=shop")...).String()
			wantGolden(t, "tenant "+args, sameEachTime(got))
			if strings.Contains(got, "secret") {
				t.Errorf("it tells of others: %s", got)
			}
		}
	})
	t.Run("what is not there, or not to be seen, is no empty answer", noEmptyAnswers)
	t.Run("objects are printed as the API has them", printsObjects)
	t.Run("verbs, pools, namespaces and numbers complete", completes)
	t.Run("they complete in bash", completesInBash)
	t.Run("kubectl finds it as a plugin", isPlugin)
}

func noEmptyAnswers(t *testing.T) {
	const nowhere, nothing = `there is no namespace "nosuch"`, "You may not list "
	for _, tt := range []struct {
		who  user
		line string
		want string
	}{
		{operator(t), "map -n nosuch", nowhere},
		{operator(t), "list -n nosuch", nowhere},
		{operator(t), "check -n nosuch", nowhere},
		{operator(t), "export nftables -n nosuch", nowhere},
		{operator(t), "list -A --pool nosuch", `there is no pool "nosuch"`},
		{operator(t), "export csv -A --pool nosuch", `there is no pool "nosuch"`},
		{tenant(t, "shop"), "list -A -n default", nothing},
		{tenant(t, "shop"), "list -n default", nothing},
		{tenant(t, "shop"), "check -A -n default", nothing},
		{tenant(t, "shop"), "export csv -n shop", "you may not list nodes"},
		{tenant(t, "shop"), "reserve web -n default", "you may not read Service web"},
	} {
		if got := tt.who.run(strings.Fields(tt.line)...); got.code != 2 || got.out != "" || !strings.Contains(got.errOut, tt.want) {
			t.Errorf("%s: want %q:\n%s", tt.line, tt.want, got)
		}
	}
}

// populated says that the cluster has two teams.
var populated bool

// populate makes two teams with all that there can be, unless they are there, and waits until the ledger has it.
func populate(t *testing.T) {
	t.Helper()
	if populated {
		return
	}
	populated = true
	ctx := t.Context()
	for _, name := range []string{"shop", "secret-space"} {
		must(t, site.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}))
	}
	for name, numbers := range map[string]v1alpha1.PortRange{"shop": {From: 30100, To: 30199}, "secret-space": {From: 31000, To: 31049}} {
		pool := &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: map[string]string{"shop": "team-a", "secret-space": "secret-pool"}[name]}}
		pool.Spec.Ranges = []v1alpha1.PortRange{numbers}
		pool.Spec.NamespaceSelector.MatchLabels = map[string]string{corev1.LabelMetadataName: name}
		must(t, site.Create(ctx, pool))
		eventually(t, "pool "+pool.Name+" is ready", func() error {
			if err := site.Get(ctx, client.ObjectKeyFromObject(pool), pool); err != nil {
				return err
			}
			if !meta.IsStatusConditionTrue(pool.Status.Conditions, v1alpha1.PoolReady) {
				return fmt.Errorf("its conditions are %+v", pool.Status.Conditions)
			}
			return nil
		})
	}
	old := MakeService("shop/old").NodePort(80, 30101, Named("http")).Obj()
	for _, svc := range []*corev1.Service{
		MakeService("shop/web").NodePort(80, 30100, Named("http"), Target(8080)).Obj(), old,
		MakeService("secret-space/secret-project").NodePort(80, 31000).Obj(),
	} {
		must(t, site.Create(ctx, svc))
	}
	awaitState(t, "30101", v1alpha1.AllocationReasonInUse)
	must(t, site.Delete(ctx, old))
	promise := &v1alpha1.NodePortReservation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "promise"}}
	promise.Spec = v1alpha1.NodePortReservationSpec{ServiceName: "db", Ports: []v1alpha1.ReservedPort{{Name: "sql", NodePort: 30102}}}
	must(t, site.Create(ctx, promise))
	office := &v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "office"}}
	office.Spec.From = []v1alpha1.AccessPeer{{IPBlock: v1alpha1.IPBlock{CIDR: "203.0.113.0/24"}}}
	must(t, site.Create(ctx, office))
	for number, state := range map[string]string{"30100": v1alpha1.AllocationReasonInUse, "30101": v1alpha1.AllocationReasonHeld,
		"30102": v1alpha1.AllocationReasonReserved, "31000": v1alpha1.AllocationReasonInUse} {
		awaitState(t, number, state)
	}
	eventually(t, "the usage of shop has its numbers", func() error {
		usage := &v1alpha1.NodePortUsage{}
		if err := site.Get(ctx, client.ObjectKey{Namespace: "shop", Name: "team-a"}, usage); err != nil || len(usage.Status.NodePorts) != 3 {
			return fmt.Errorf("it has %v: %w", usage.Status.NodePorts, err)
		}
		return nil
	})
}

// awaitState waits for a reason of an allocation's condition Bound.
func awaitState(t *testing.T, number, reason string) {
	t.Helper()
	eventually(t, number+" is "+reason, func() error {
		a := &v1alpha1.NodePortAllocation{}
		if err := site.Get(t.Context(), client.ObjectKey{Name: number}, a); err != nil {
			return err
		}
		if c := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.AllocationBound); c == nil || c.Reason != reason {
			return fmt.Errorf("its condition is %+v", c)
		}
		return nil
	})
}

// tenant is a member of a namespace with a pool team-a and a reservation, and has no rights elsewhere.
func tenant(t *testing.T, namespace string) user {
	t.Helper()
	u := member(t, namespace)
	eventually(t, "the tenant may read its namespace", func() error {
		got := u.run("list", "-n", namespace)
		if strings.Contains(got.out, "team-a") && strings.Contains(got.out, "Reserved") { // by its usage, and by its reservation
			return nil
		}
		return fmt.Errorf("%s", got)
	})
	return u
}

// member has ClusterRole admin in a namespace, in which there may be nothing to see.
func member(t *testing.T, namespace string) user {
	t.Helper()
	name := "tenant-" + namespace
	kubeconfig, err := site.KubeconfigOf(name)
	must(t, err)
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	binding.Subjects = []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}}
	binding.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"}
	must(t, client.IgnoreAlreadyExists(site.Create(t.Context(), binding)))
	u := user{t, kubeconfig}
	eventually(t, "the tenant may read its Services", func() error {
		if got := u.run("list", "-n", namespace); !strings.Contains(got.String(), "services of namespace") {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	return u
}

func printsObjects(t *testing.T) {
	got := operator(t).run("list", "-A", "-o", "jsonpath={range .items[*]}{.metadata.name} {.spec.serviceRef.namespace}/{.spec.serviceRef.name}{\"\\n\"}{end}")
	const want = "30100 shop/web\n30101 shop/old\n30102 shop/db\n31000 secret-space/secret-project\n"
	if got.out != want || got.code != 0 {
		t.Errorf("got %s, want %s", got, want)
	}
	wantLine(t, operator(t).run("list", "-A", "-o", "yaml").out, "kind: NodePortAllocationList")
	wantLine(t, operator(t).run("who", "30100", "-o", "json").out, `"service": "web"`)
}

func completes(t *testing.T) {
	for _, tt := range []struct {
		begun []string
		want  []string // lines
	}{
		{[]string{"wh"}, []string{"who\tSay who holds a node port, and all else about it"}},
		{[]string{"who", "301"}, []string{"30100\tshop/web", "30101\tshop/old", "30102\tshop/db"}},
		{[]string{"list", "--pool", ""}, []string{"secret-pool", "team-a"}},
		{[]string{"list", "-n", "sh"}, []string{"shop"}},
		{[]string{"list", "--state", "h"}, []string{"held"}},
		{[]string{"map", "--color", "a"}, []string{"auto", "always"}},
		{[]string{"list", "-o", "w"}, []string{"wide"}},
	} {
		lines := strings.Split(operator(t).run(append([]string{"__complete"}, tt.begun...)...).out, "\n")
		for _, want := range tt.want {
			found := false
			for _, line := range lines {
				found = found || line == want
			}
			if !found {
				t.Errorf("%q is not completed by %q, but by %q", tt.begun, want, lines)
			}
		}
	}
	if got := tenant(t, "shop").run("__complete", "list", "-n", "shop", "--pool", ""); !strings.HasPrefix(got.out, "team-a\n") {
		t.Errorf("a tenant completes pools by %s", got)
	}
}
