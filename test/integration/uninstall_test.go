package integration

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/cluster"
)

// onOwn gives the test a control plane that nobody has after it.
func onOwn(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	second := seconds.take() // in its place: more at a time are too many for a machine
	t.Cleanup(func() { seconds.give(second) })
	p, err := startPlane(t.Context(), cluster.Options{}, defaultRange)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Cluster.Stop)
	return &world{T: t, plane: p, clock: clock.RealClock{}, names: map[string]string{}, namespaces: map[string]bool{}}
}

func TestUninstallLeavesAllServicesAsTheyWere(t *testing.T) {
	w := onOwn(t)
	shop := w.namespace("shop")
	numbers := v1alpha1.PortRange{From: 30100, To: 30999}
	outside := w.create(makeService(shop+"/outside").NodePort(80, 31000))
	manager := w.start(nil)
	t.Cleanup(func() { _ = manager.Stop() }) // its lease is gone: it says so
	w.pool("team-a", numbers, serving(shop))
	reserved := &v1alpha1.NodePortReservation{Spec: v1alpha1.NodePortReservationSpec{ServiceName: "later", Ports: []v1alpha1.ReservedPort{{NodePort: numbers.To}}}}
	reserved.Namespace, reserved.Name = shop, "later"
	w.must(w.Create(t.Context(), reserved))
	for _, svc := range []*Service{
		makeService(shop+"/api").NodePort(80, numbers.From), makeService(shop+"/web").NodePort(80, 0),
		makeService(shop+"/lb").LoadBalancer().LocalTraffic().NodePort(80, 0),
		makeService(shop+"/dns").NodePort(53, 0, Named("tcp")).NodePort(53, 0, Named("udp"), UDP),
		makeService(shop + "/closed").Port(80), makeService(shop+"/busy").NodePort(80, 0), makeService(shop+"/gone").NodePort(80, 0),
	} {
		w.wantAllBound(w.create(svc))
	}
	w.remove(w.fetch(makeService(shop + "/gone").Obj()))
	w.wantTrouble(outside, reasonMisplaced)
	var before []*corev1.Service
	for _, name := range []string{"outside", "web", "api", "lb", "dns", "closed"} {
		before = append(before, w.fetch(makeService(shop+"/"+name).Obj()))
	}

	if len(w.ours()) == 0 {
		t.Fatal("of Portolan nothing is found even now")
	}

	w.awaitGarbageCollector() // it takes the policy along with the pools

	// Somebody writes Services all the while.
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error)
	go func() { written <- w.writeServices(ctx, shop) }()
	w.mustKubectl("", "delete", "-k", filepath.Join("..", "..", "config", "default"), "--ignore-not-found", "--timeout=2m")
	cancel()
	if err := <-written; err != nil {
		t.Errorf("while Portolan went: %v", err)
	}

	for _, svc := range before {
		w.wantSame(svc)
	}
	w.eventually("nothing of Portolan is left", func() error {
		if left := w.ours(); len(left) > 0 {
			return fmt.Errorf("there are %v", left)
		}
		return nil
	})
	for _, svc := range before {
		w.change(svc, func(svc *corev1.Service) { svc.Labels = map[string]string{"tier": "front"} })
	}
	// Of the numbers that Kubernetes does not choose itself while there are others.
	w.change(before[0], func(svc *corev1.Service) { svc.Spec.Ports[0].NodePort = 30001 })
	w.create(makeService(shop+"/new").NodePort(80, 0))
	for _, svc := range before {
		w.remove(svc)
	}
}

// writeServices creates, changes and deletes Services until ctx is done. It returns what the API server refused, or took
// longer for than for a webhook that does not answer.
func (w *world) writeServices(ctx context.Context, namespace string) error {
	const slow = 4 * time.Second
	label := func(i int) client.Patch {
		return client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"labels":{"count":"%d"}}}`, i))
	}
	for i := 0; ctx.Err() == nil; i++ {
		svc := makeService(fmt.Sprintf("%s/new-%d", namespace, i)).NodePort(80, 0).Obj()
		for _, write := range []func() error{
			func() error { return w.Create(ctx, svc) },
			func() error { return w.Patch(ctx, makeService(namespace+"/busy").NodePort(80, 0).Obj(), label(i)) },
			func() error { return w.Delete(ctx, svc) },
		} {
			began := time.Now()
			if err := write(); err != nil && ctx.Err() == nil {
				return err
			}
			if took := time.Since(began); took > slow {
				return fmt.Errorf("a write took %s", took)
			}
		}
	}
	return nil
}

// wantSame fails the test if a Service is not as it was. Portolan's condition may have gone with the pools.
func (w *world) wantSame(before *corev1.Service) {
	w.Helper()
	now := w.fetch(before)
	meta.RemoveStatusCondition(&now.Status.Conditions, allocatedCondition)
	before = before.DeepCopy()
	meta.RemoveStatusCondition(&before.Status.Conditions, allocatedCondition)
	for _, svc := range []*corev1.Service{now, before} {
		svc.ResourceVersion, svc.ManagedFields = "", nil
	}
	if diff := cmp.Diff(before, now, cmpopts.EquateEmpty()); diff != "" {
		w.Errorf("Service %s (-before +now)\n%s", before.Name, diff)
	}
}

// ours are all objects of Portolan's in the cluster, but for events.
func (w *world) ours() []string {
	w.Helper()
	resources := slices.DeleteFunc(strings.Fields(w.mustKubectl("", "api-resources", "--verbs=list", "-o", "name", "--cache-dir", w.TempDir())),
		func(resource string) bool { return strings.HasPrefix(resource, "events") })
	all := w.mustKubectl("", "get", strings.Join(resources, ","), "-A", "-o", "name")
	return regexp.MustCompile(`(?m)^.*portolan.*$`).FindAllString(all, -1)
}
