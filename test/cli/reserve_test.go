package cli

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// berth makes a namespace with a pool of its own, which go at the end of the test, and an operator who works in it.
func berth(t *testing.T, name string, numbers v1alpha1.PortRange) user {
	t.Helper()
	must(t, site.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}))
	pool := &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: name}}
	pool.Spec.Ranges = []v1alpha1.PortRange{numbers}
	pool.Spec.Strategy = v1alpha1.StrategyStable // what is picked is never what a test names
	pool.Spec.NamespaceSelector.MatchLabels = map[string]string{corev1.LabelMetadataName: name}
	must(t, site.Create(t.Context(), pool))
	t.Cleanup(func() { leave(t, name, pool) })
	eventually(t, "pool "+name+" is ready", func() error {
		if err := site.Get(t.Context(), client.ObjectKeyFromObject(pool), pool); err != nil {
			return err
		}
		if !meta.IsStatusConditionTrue(pool.Status.Conditions, v1alpha1.PoolReady) {
			return fmt.Errorf("its conditions are %+v", pool.Status.Conditions)
		}
		return nil
	})
	return operator(t)
}

// leave takes away what a test has made: those after it list the whole cluster.
func leave(t *testing.T, namespace string, pool *v1alpha1.NodePortPool) {
	ctx := context.WithoutCancel(t.Context())
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	must(t, site.Delete(ctx, space))
	eventually(t, "namespace "+namespace+" is gone", func() error {
		if err := site.Get(ctx, client.ObjectKeyFromObject(space), space); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is %s: %w", space.Status.Phase, err)
		}
		return nil
	})
	must(t, site.Delete(ctx, pool))
}

func TestAServiceKeepsItsNumberByAReservation(t *testing.T) {
	u := berth(t, "promises", v1alpha1.PortRange{From: 30300, To: 30309})
	t.Run("a dry run prints the object, and makes none", func(t *testing.T) {
		for _, how := range []string{"client", "server"} {
			got := u.run("reserve", "web", "-n", "promises", "--port", "http=30300", "--dry-run="+how, "-o", "yaml")
			for _, want := range []string{"kind: NodePortReservation", "serviceName: web", "nodePort: 30300"} {
				wantLine(t, got.String(), want)
			}
			wantCode(t, got, 0)
		}
		wantLine(t, u.run("reserve", "web", "-n", "promises", "--dry-run=server").out, "nodeportreservation.portolan.dev/web reserved (server dry run)")
		var list v1alpha1.NodePortReservationList
		must(t, site.List(t.Context(), &list, client.InNamespace("promises")))
		if len(list.Items) > 0 {
			t.Errorf("there are %d reservations", len(list.Items))
		}
	})
	t.Run("a format that there is not makes none", func(t *testing.T) {
		got := u.run("reserve", "web", "-n", "promises", "--port", "http=30300", "-o", "jsno")
		wantCode(t, got, 2)
		wantLine(t, got.errOut, "jsno", "json")
		var list v1alpha1.NodePortReservationList
		must(t, site.List(t.Context(), &list, client.InNamespace("promises")))
		if len(list.Items) > 0 {
			t.Errorf("there are %d reservations", len(list.Items))
		}
	})
	t.Run("a number for a Service that is to come", func(t *testing.T) {
		got := u.run("reserve", "web", "-n", "promises", "--port", "http=30300", "--port", "admin")
		wantCode(t, got, 0)
		wantLine(t, got.out, "NodePortReservation web keeps for Service web: 30300 (http), 303", "(admin)")
		awaitState(t, "30300", v1alpha1.AllocationReasonReserved)
	})
	t.Run("one of that name is not written over", func(t *testing.T) {
		got := u.run("reserve", "web", "-n", "promises")
		wantCode(t, got, 2)
		wantLine(t, got.errOut, "already exists", "kubectl edit npr web -n promises")
	})
	t.Run("the numbers that a Service has", func(t *testing.T) {
		must(t, site.Create(t.Context(), MakeService("promises/api").NodePort(80, 30305, Named("http")).Obj()))
		got := u.run("reserve", "api", "-n", "promises", "--name", "kept")
		wantCode(t, got, 0)
		wantLine(t, got.out, "NodePortReservation kept keeps for Service api: 30305 (http)")
	})
	t.Run("why a number is not kept", func(t *testing.T) {
		got := u.run("reserve", "db", "-n", "promises", "--port", "sql=30305")
		if got.code == 0 || !strings.Contains(got.out, "30305") || strings.Count(got.String(), `"api"`) != 1 { // once
			t.Errorf("got %s", got)
		}
		wantLine(t, u.run("reserve", "db", "-n", "promises", "--name", "later", "--port", "sql=30305", "--timeout=0").errOut, "not reserved: ", `"api"`)
	})
	t.Run("what is reserved is not released", func(t *testing.T) {
		got := u.run("release", "30300", "--yes")
		wantCode(t, got, 1)
		wantLine(t, got.errOut, "30300 is kept for Service promises/web by NodePortReservation web", "kubectl delete npr web -n promises")
	})
}

func TestAHoldIsReleased(t *testing.T) {
	u := berth(t, "holds", v1alpha1.PortRange{From: 30310, To: 30319})
	old, web := MakeService("holds/old").NodePort(80, 30310).Obj(), MakeService("holds/web").NodePort(80, 30311).Obj()
	must(t, site.Create(t.Context(), old))
	must(t, site.Create(t.Context(), web))
	awaitState(t, "30310", v1alpha1.AllocationReasonInUse)
	must(t, site.Delete(t.Context(), old))
	awaitState(t, "30310", v1alpha1.AllocationReasonHeld)
	t.Run("not where one of several is in use", func(t *testing.T) {
		got := u.run("release", "30310", "30311", "--yes")
		wantCode(t, got, 1)
		wantLine(t, got.errOut, "30311 is in use by Service holds/web")
		awaitState(t, "30310", v1alpha1.AllocationReasonHeld)
	})
	t.Run("not unasked", func(t *testing.T) {
		got := u.run("release", "30310")
		wantCode(t, got, 2)
		wantLine(t, got.errOut, "30310 is held for Service holds/old for another")
		wantLine(t, got.errOut, "nobody can be asked", "say --yes")
	})
	t.Run("not by a tenant, who is told which role may", func(t *testing.T) {
		got := member(t, "holds").run("release", "30310", "--yes")
		wantCode(t, got, 2)
		wantLine(t, got.errOut, "ClusterRole", "cluster-admin")
	})
	t.Run("by an operator", func(t *testing.T) {
		got := u.run("release", "30310", "--yes")
		wantCode(t, got, 0)
		wantLine(t, got.out, "30310 released")
		wantLine(t, u.run("release", "30310", "--yes").errOut, "30310 is not held: nobody has it")
	})
}
