package export

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/export"
)

func server(node *corev1.Node, svc *corev1.Service) string {
	return fmt.Sprintf("server %s %s:%d", node.Name, node.Status.Addresses[0].Address, svc.Spec.Ports[0].NodePort)
}

func mustDelete(t *testing.T, object client.Object) {
	t.Helper()
	if err := shared.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// Changes are in the file within a second. On a busy machine one or the other takes longer, so the quickest of each kind is
// held against it: none can be quicker than it is put off.
func TestNodesAndPortsComeAndGoInTheFileWithinASecond(t *testing.T) {
	ns := namespace(t)
	node1, node2 := node(t, "node-1", "192.0.2.1"), node(t, "node-2", "192.0.2.2")
	w := watch(t, ns, "haproxy", nil)
	quickest := map[string]time.Duration{}
	note := func(what string, took time.Duration) {
		if known, ok := quickest[what]; !ok || took < known {
			quickest[what] = took
		}
	}
	for i := range 3 {
		web := service(t, ns, fmt.Sprint("web-", i))
		note("a Service comes", w.has(server(node1, web)))
		w.has(server(node2, web))

		say(t, node2, corev1.ConditionUnknown)
		note("a node is not ready", w.lacks("server node-2 "))
		say(t, node2, corev1.ConditionTrue)
		note("a node is ready again", w.has(server(node2, web)))

		node3 := node(t, "node-3", "192.0.2.3")
		note("a node comes", w.has(server(node3, web)))
		mustDelete(t, node3)
		note("a node goes", w.lacks("server node-3 "))

		mustDelete(t, web)
		note("a Service goes", w.lacks(web.Name))
	}
	for what, took := range quickest {
		t.Logf("%s: %s", what, took.Round(time.Millisecond))
		if took > time.Second {
			t.Errorf("%s: the quickest of all took %s, want at most a second", what, took)
		}
	}
}

func TestALocalServiceFollowsItsPods(t *testing.T) {
	ns := namespace(t)
	node1, node2 := node(t, "node-1", "192.0.2.1"), node(t, "node-2", "192.0.2.2")
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	svc.Spec.Type = corev1.ServiceTypeLoadBalancer
	svc.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	svc.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80}}
	create(t, svc)
	w := watch(t, ns, "haproxy", nil)
	w.has("# no node has it")

	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: ns, Name: "web", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new("http"), Port: new(int32(8080))}},
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"10.244.0.1"}, NodeName: new("node-1")}},
	}
	create(t, slice)
	w.has(fmt.Sprintf("%s port %d\n", server(node1, svc), svc.Spec.HealthCheckNodePort))
	if strings.Contains(w.text(), "server node-2 ") {
		t.Errorf("a node without a pod is there:\n%s", w.text())
	}
	slice.Endpoints[0].NodeName = new("node-2")
	if err := shared.Update(t.Context(), slice); err != nil {
		t.Fatal(err)
	}
	w.has(server(node2, svc))
	w.lacks("server node-1 ")
}

func TestAFirewallFollowsWhoMayAndAPoolItsNumbers(t *testing.T) {
	ns := namespace(t)
	node(t, "node-1", "192.0.2.1")
	web, other := service(t, ns, "web"), service(t, ns, "other")
	element := func(svc *corev1.Service) string { return fmt.Sprintf("tcp . %d,", svc.Spec.Ports[0].NodePort) }
	pool := &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: "team-a"}}
	pool.Spec.Ranges = []v1alpha1.PortRange{}
	create(t, pool)
	t.Cleanup(func() { _ = shared.Delete(context.Background(), pool) })
	w := watch(t, ns, "nftables", func(o *export.Options) { o.Filter.Pools = []string{"team-a"} })

	allocation := &v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(web.Spec.Ports[0].NodePort)}}
	allocation.Spec.PoolName, allocation.Spec.Origin = "team-a", v1alpha1.OriginExplicit
	allocation.Spec.ServiceRef = v1alpha1.ServiceReference{Namespace: ns, Name: "web"}
	create(t, allocation)
	t.Cleanup(func() { _ = shared.Delete(context.Background(), allocation) })
	w.has(element(web))

	access := &v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "office"}}
	access.Spec.From = []v1alpha1.AccessPeer{{IPBlock: v1alpha1.IPBlock{CIDR: "203.0.113.0/24"}}}
	create(t, access)
	w.has("saddr { 203.0.113.0/24 }")
	mustDelete(t, access)
	w.lacks("saddr")
	if strings.Contains(w.text(), element(other)) {
		t.Errorf("a number of no pool is there:\n%s", w.text())
	}
}

func TestTheFileIsWrittenOnlyWhenItChangesAndOnceForABurst(t *testing.T) {
	ns := namespace(t)
	node1 := node(t, "node-1", "192.0.2.1")
	w := watch(t, ns, "csv", func(o *export.Options) { o.Exec = "echo reloaded" })
	eventually(t, "the hook has run", func() bool { return w.saidSo("reloaded\n") == 1 })
	before, err := os.Stat(w.file)
	if err != nil {
		t.Fatal(err)
	}

	for range 5 {
		say(t, node1, corev1.ConditionTrue) // a heartbeat
	}
	const burst = 40
	for i := range burst {
		service(t, ns, fmt.Sprintf("web-%02d", i))
	}
	last := service(t, ns, "web-last")
	w.has(fmt.Sprint(last.Spec.Ports[0].NodePort))
	eventually(t, "the hook has run after the last write", func() bool { return w.saidSo("reloaded\n") >= 2 }) // the write is said before
	if writes := w.saidSo(" is written: "); writes < 2 || writes > burst/2 {
		t.Errorf("%d writes for %d Services", writes, burst+1)
	}

	after, err := os.Stat(w.file)
	if err != nil {
		t.Fatal(err)
	}
	if after.Mode() != before.Mode() {
		t.Errorf("mode %v became %v", before.Mode(), after.Mode())
	}
}

func TestTheFileStaysWhileTheAPIServerIsAway(t *testing.T) {
	ns := namespace(t)
	node1 := node(t, "node-1", "192.0.2.1")
	web := service(t, ns, "web")
	w := watch(t, ns, "haproxy", nil)
	w.has(server(node1, web))
	before := w.text()

	shared.StopAPIServer()
	eventually(t, "it says that the API server is away", func() bool { return w.saidSo("the API server does not answer") > 0 })
	if err := shared.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it says that the API server is back", func() bool { return w.saidSo("the API server answers again") > 0 })
	if after := w.text(); after != before || w.saidSo(" is written: ") != 1 {
		t.Errorf("the file has changed meanwhile: before\n%s\nafter\n%s", before, after)
	}
	w.has(server(node1, service(t, ns, "blog"))) // it goes on
	if away, back := w.saidSo("the API server does not answer"), w.saidSo("the API server answers again"); away != back || away > 2 {
		t.Errorf("said %d times that it is away and %d times that it is back", away, back)
	}
	if lines := slices.Collect(strings.Lines(w.everything())); len(lines) > 8 {
		t.Errorf("it said more than there is to say: %q", lines)
	}
}
