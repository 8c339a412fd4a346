package integration

import (
	"fmt"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
)

// serves has a node-proxy report that it serves the Services that are given to it, with these numbers.
func (w *world) serves(p nodeProxy, numbers string) {
	w.Helper()
	w.must(p.report(w.Context(), v1alpha1.NodePortNodeStateStatus{Mode: v1alpha1.ProxyModeLabelled, ServiceProxyName: "portolan", NodePorts: numbers}))
}

// wantProgrammed waits until an allocation says of the nodes: "2/3 Programming: message", or "" for nothing.
func (w *world) wantProgrammed(n int32, want string) {
	w.Helper()
	w.eventually(fmt.Sprintf("nodes have %d", n), func() error {
		got := ""
		if a := w.claim(n); a != nil && a.Status.Nodes != nil {
			got = fmt.Sprintf("%d/%d", a.Status.Nodes.Programmed, a.Status.Nodes.Total)
		}
		if condition := programmedOf(w.claim(n)); condition != "" {
			got += " " + condition
		}
		if got = w.inTestsWords(got); got != want {
			return fmt.Errorf("got %q, want %q", got, want)
		}
		return nil
	})
}

func programmedOf(a *v1alpha1.NodePortAllocation) string {
	if a == nil {
		return ""
	}
	c := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.AllocationProgrammed)
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%s: %s", c.Reason, c.Message)
}

const byAllNodes = "AllNodes: every node whose node-proxy serves the Service has the number"

func TestAnAllocationTellsWhichNodesHaveItsNumber(t *testing.T) {
	w := alone(t)
	w.start(nil)
	proxies := w.withNodeProxies()
	shop := w.namespace("shop")
	w.pool("team-a", v1alpha1.PortRange{From: 31100, To: 31199}, serving(shop))
	one, two := proxies.on("node-1"), proxies.on("node-2")
	w.serves(one, "")
	w.serves(two, "")
	web := w.create(makeService(shop+"/web").NodePort(80, 31100).Label(v1alpha1.ServiceProxyNameLabel, "portolan"))
	lb := w.create(makeService(shop+"/lb").LoadBalancer().LocalTraffic().NodePort(80, 31102).HealthCheck(31103).Label(v1alpha1.ServiceProxyNameLabel, "portolan"))
	plain := w.create(makeService(shop+"/plain").NodePort(80, 31101))
	for _, svc := range []*corev1.Service{web, lb, plain} {
		w.wantAllBound(svc)
	}
	w.wantProgrammed(31100, "0/2 Programming: 0 of 2 nodes have the number; not yet: node-1, node-2")

	w.serves(one, "31100-31102") // 31101 is kube-proxy's: it counts for nothing
	w.wantProgrammed(31100, "1/2 Programming: 1 of 2 nodes have the number; not yet: node-2")
	w.wantProgrammed(31101, "")
	w.serves(two, "31100,31102-31103")
	w.wantProgrammed(31100, "2/2 "+byAllNodes)
	w.wantProgrammed(31102, "2/2 "+byAllNodes)
	w.wantProgrammed(31103, "1/2 Programming: 1 of 2 nodes have the number; not yet: node-1")

	three := proxies.on("node-3")
	w.serves(three, "")
	w.wantProgrammed(31100, "2/3 Programming: 2 of 3 nodes have the number; not yet: node-3")
	w.must(w.Delete(t.Context(), makeNodeState(three.node.Name)))
	w.wantProgrammed(31100, "2/2 "+byAllNodes)

	// The owner takes the Service back, gives it away again, and deletes it.
	w.change(web, func(svc *corev1.Service) { delete(svc.Labels, v1alpha1.ServiceProxyNameLabel) })
	w.wantProgrammed(31100, "")
	w.change(web, func(svc *corev1.Service) { svc.Labels = map[string]string{v1alpha1.ServiceProxyNameLabel: "portolan"} })
	w.wantProgrammed(31100, "2/2 "+byAllNodes)
	w.remove(web)
	w.wantReason(31100, v1alpha1.AllocationReasonHeld)
	w.wantProgrammed(31100, "")
}

func TestWhatNodesHadReportedIsKnownToANewManager(t *testing.T) {
	w := alone(t)
	proxies := w.withNodeProxies()
	shop := w.namespace("shop")
	one := proxies.on("node-1")
	w.serves(one, "31100")
	w.create(makeService(shop+"/web").NodePort(80, 31100).Label(v1alpha1.ServiceProxyNameLabel, "portolan"))
	w.start(nil)
	w.wantProgrammed(31100, "1/1 "+byAllNodes)
	w.stop()
	w.serves(one, "")
	w.start(nil)
	w.wantProgrammed(31100, "0/1 Programming: 0 of 1 nodes have the number; not yet: node-1")
}

func TestReportsOfManyNodesAreOneWriteOfANumber(t *testing.T) {
	w := alone(t)
	w.start(nil)
	proxies := w.withNodeProxies()
	shop := w.namespace("shop")
	const count = 20
	var nodes []nodeProxy
	for i := range count {
		nodes = append(nodes, proxies.on(fmt.Sprintf("node-%d", i)))
		w.serves(nodes[i], "")
	}
	w.create(makeService(shop+"/web").NodePort(80, 31100).Label(v1alpha1.ServiceProxyNameLabel, "portolan"))
	w.wantProgrammed(31100, fmt.Sprintf("0/%d Programming: 0 of %d nodes have the number; not yet: node-0, node-1, node-10 and 17 more", count, count))

	const turn = 2 * time.Second // how long reports are waited for
	written, began := w.countWrites(31100), time.Now()
	var reporting sync.WaitGroup
	for _, node := range nodes {
		reporting.Go(func() { w.serves(node, "31100") })
	}
	reporting.Wait()
	w.wantProgrammed(31100, fmt.Sprintf("%d/%d %s", count, count, byAllNodes))
	if got, limit := written(), 1+int(time.Since(began)/turn); got > limit {
		t.Errorf("%d reports were %d writes, want at most %d", count, got, limit)
	}
}

// countWrites counts the changes of an allocation, until the returned function is called.
func (w *world) countWrites(n int32) (stop func() int) {
	w.Helper()
	watching, err := client.NewWithWatch(w.Cluster.Config(), client.Options{Scheme: w.Scheme()})
	w.must(err)
	events, err := watching.Watch(w.Context(), &v1alpha1.NodePortAllocationList{},
		&client.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", allocator.NameOf(n))})
	w.must(err)
	count, ended := 0, make(chan struct{})
	go func() {
		defer close(ended)
		for e := range events.ResultChan() {
			if e.Type == watch.Modified {
				count++
			}
		}
	}()
	return func() int {
		events.Stop()
		<-ended
		return count
	}
}
