package webhooks

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// lister lists as the function says.
type lister struct {
	client.Reader
	list func(context.Context, client.ObjectList) error
}

func (l lister) List(ctx context.Context, list client.ObjectList, _ ...client.ListOption) error {
	return l.list(ctx, list)
}

func onePod(list client.ObjectList, more string) error {
	pods := list.(*corev1.PodList)
	pods.Items, pods.Continue = make([]corev1.Pod, 1), more
	return nil
}

func TestWhereNoNumberIsNewNobodyAsksForAccess(t *testing.T) {
	ledger := allocator.New(&allocator.FakeStore{}, testingclock.NewFakePassiveClock(time.Now()))
	ledger.SetClusterRange(v1alpha1.PortRange{From: 30000, To: 32767})
	asked := false
	v := &serviceValidator{&desk{ledger: ledger, cached: lister{list: func(context.Context, client.ObjectList) error {
		asked = true
		return nil
	}}}}
	svc := MakeService("shop/web").NodePort(80, 30080).Obj()
	for _, c := range []struct {
		old  *corev1.Service
		want bool
	}{{nil, true}, {svc, false}} {
		asked = false
		q := rules.Question{Service: svc, Old: c.old, Namespace: "shop"}
		v.surprises(t.Context(), q, rules.Judge(ledger.Chart(), ledger, q))
		if asked != c.want {
			t.Errorf("the Service was there: %t, and it asks: %t", c.old != nil, asked)
		}
	}
}

func TestWarningsNeverKeepAServiceWaiting(t *testing.T) {
	const missing = `spec.ports[0].targetPort: no container of the 1 Pod that the selector selects has a TCP port of the name "http": nothing answers`
	const open = "node port 30080 is open to every source: no NodePortAccess of this namespace selects it"
	never := func(ctx context.Context, _ client.ObjectList) error {
		<-ctx.Done()
		return ctx.Err()
	}
	elsewhere := func(_ context.Context, list client.ObjectList) error {
		other := v1alpha1.NodePortAccess{}
		other.Spec.ServiceSelector.MatchLabels = map[string]string{"app": "other"}
		list.(*v1alpha1.NodePortAccessList).Items = []v1alpha1.NodePortAccess{other}
		return nil
	}
	for _, c := range []struct {
		name         string
		live, cached func(context.Context, client.ObjectList) error
		want         []string
	}{
		{"all is well", func(_ context.Context, l client.ObjectList) error { return onePod(l, "") }, elsewhere, []string{missing, open}},
		{"there are too many Pods", func(_ context.Context, l client.ObjectList) error { return onePod(l, "there are more") }, elsewhere, []string{open}},
		{"Pods may not be read", func(context.Context, client.ObjectList) error { return errors.New("forbidden") }, elsewhere, []string{open}},
		{"the API server does not answer", never, elsewhere, []string{open}},
		{"neither does the cache", never, never, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ledger := allocator.New(&allocator.FakeStore{}, testingclock.NewFakePassiveClock(time.Now()))
				ledger.SetClusterRange(v1alpha1.PortRange{From: 30000, To: 32767})
				v := &serviceValidator{&desk{ledger: ledger, live: lister{list: c.live}, cached: lister{list: c.cached}}}
				svc := MakeService("shop/web").NodePort(80, 30080, func(p *corev1.ServicePort) { p.TargetPort = intstr.FromString("http") }).Obj()
				svc.Spec.Selector = map[string]string{"app": "web"}
				q := rules.Question{Service: svc, Namespace: "shop"}
				start := time.Now()
				got := v.surprises(t.Context(), q, rules.Judge(ledger.Chart(), ledger, q))
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if waited := time.Since(start); waited > lookAround {
					t.Errorf("it took %s", waited)
				}
			})
		})
	}
}
