package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// clashing is what a node reports: numbers that are not to be handed out, and what it says of them.
func clashing(numbers string, said ...v1alpha1.Clash) v1alpha1.NodePortNodeStateStatus {
	return v1alpha1.NodePortNodeStateStatus{Mode: v1alpha1.ProxyModeLabelled, ServiceProxyName: "portolan", ClashingNodePorts: numbers, Clashes: said}
}

func listener(n int32) v1alpha1.Clash {
	return v1alpha1.Clash{NodePort: n, Protocol: corev1.ProtocolTCP, Kind: v1alpha1.ClashHostListener, Process: "secret-process"}
}

func hostPort(n int32) v1alpha1.Clash {
	return v1alpha1.Clash{NodePort: n, Protocol: corev1.ProtocolTCP, Kind: v1alpha1.ClashHostPort, Process: "secret-space/secret-pod"}
}

func TestANumberThatSomethingElseUsesOnANodeIsNotHandedOut(t *testing.T) {
	w := share(t)
	s := &transcript{world: w}
	shop := w.namespace("shop")
	pool := w.pool("team-a", w.exactly(30700, 30704), serving(shop))
	proxies := w.withNodeProxies()
	one, two := proxies.on("one"), proxies.on("two")
	w.must(one.report(t.Context(), clashing("30700-30703", listener(30700), listener(30701), listener(30702))))
	w.must(two.report(t.Context(), clashing("30700", listener(30700), hostPort(30700))))
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 5, Clashing: 4, Free: 1})

	free := w.create(makeService(shop+"/free").NodePort(80, 0))
	if got := free.Spec.Ports[0].NodePort; got != 30704 {
		t.Errorf("it gets %d, of which only 30704 is free", got)
	}
	w.wantAllBound(free)
	s.create("None is left to be chosen", makeService(shop+"/web").NodePort(80, 0))
	s.create("One that clashes on two nodes is asked for", makeService(shop+"/web").NodePort(80, 30700), "--dry-run=server")
	s.create("And in earnest", makeService(shop+"/web").NodePort(80, 30700))
	s.create("One of which its node says no more", makeService(shop+"/api").NodePort(80, 30703))
	s.create("One that clashes with another protocol", makeService(shop+"/dns").NodePort(53, 30701, UDP))
	w.golden("clashes", s.text.String())
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 5, Bound: 4, Clashing: 1})

	w.must(one.report(t.Context(), clashing("")))
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 5, Bound: 4, Free: 1})
	w.create(makeService(shop+"/late").NodePort(80, 0))
}

func TestTheOwnerOfAServiceReadsThatSomethingElseBeginsToUseItsNumber(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(3)
	w.pool("team-a", numbers, serving(shop))
	one := w.withNodeProxies().on("one")
	web := w.create(makeService(shop+"/web").NodePort(80, numbers.From))
	w.wantAllBound(web)
	w.must(one.report(t.Context(), clashing(fmt.Sprint(numbers.From), hostPort(numbers.From))))
	advice := w.wantEvent(web, "NodePortClash", fmt.Sprintf("node port %d clashes with a hostPort on 1 node: one of the two gets no traffic there", numbers.From))
	if !strings.HasPrefix(advice, "to give this Service another number: kubectl -n "+shop) {
		t.Errorf("the advice is %q", advice)
	}
}

// pod makes one of the app "web" that is ready on a node and has a port of a name.
func (w *world) pod(namespace, name, node, port string) {
	w.Helper()
	pod := &corev1.Pod{Spec: corev1.PodSpec{NodeName: node, AutomountServiceAccountToken: new(false), Containers: []corev1.Container{{
		Name: "web", Image: "web", Ports: []corev1.ContainerPort{{Name: port, ContainerPort: 8080}},
	}}}}
	pod.Namespace, pod.Name, pod.Labels = namespace, name, map[string]string{"app": "web"}
	w.eventually("the namespace takes Pods", func() error { return w.Create(w.Context(), pod) }) // once it has an account for them
	w.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		tidying{w.plane, w.T}.ignoring(w.Delete(ctx, pod, client.GracePeriodSeconds(0)))
	})
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	w.must(w.Status().Update(w.Context(), pod))
}

func TestWhatWillSurpriseIsWarnedAbout(t *testing.T) {
	w := share(t)
	s := &transcript{world: w}
	shop, guarded := w.namespace("shop"), w.namespace("guarded")
	w.pool("team-a", w.exactly(30710, 30729), serving(shop, guarded))
	web := func(name string, number int32, change ...func(*corev1.Service)) *corev1.Service {
		svc := makeService(shop+"/"+name).NodePort(80, number, func(p *corev1.ServicePort) { p.TargetPort = intstr.FromInt32(8080) }).Obj()
		svc.APIVersion, svc.Kind, svc.Spec.Selector = "v1", "Service", map[string]string{"app": "web"}
		for _, c := range change {
			c(svc)
		}
		return svc
	}
	byName := func(svc *corev1.Service) { svc.Spec.Ports[0].TargetPort = intstr.FromString("http") }
	local := func(svc *corev1.Service) { svc.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal }
	s.apply("A targetPort that no Pod has yet", web("early", 30710, byName))
	w.pod(shop, "web-0", "secret-node", "grpc")
	s.apply("A targetPort that no Pod has", web("name", 30711, byName))
	s.apply("The same once more, with a label", web("name", 30711, byName, func(svc *corev1.Service) { svc.Labels = map[string]string{"a": "b"} }))
	s.apply("Local traffic to one Pod", web("local", 30712, local))
	w.pod(shop, "web-1", "secret-node-2", "http")
	s.apply("A targetPort that a Pod has, and local traffic to two nodes", web("both", 30713, byName, local))

	access := &v1alpha1.NodePortAccess{Spec: v1alpha1.NodePortAccessSpec{Ports: []string{"https"}}}
	access.Namespace, access.Name = guarded, "https"
	w.must(w.Create(t.Context(), access))
	w.eventually("the policy is known", func() error {
		out := w.mustKubectl("", "-n", guarded, "create", "service", "nodeport", "probe", "--tcp=80", "--dry-run=server")
		if !strings.Contains(out, "open to every source") {
			return fmt.Errorf("got %s", out)
		}
		return nil
	})
	s.create("A port that no NodePortAccess of the namespace selects", makeService(guarded+"/web").
		NodePort(80, 30720, Named("http")).NodePort(443, 30721, Named("https")))
	s.create("Where nobody says who may reach what", makeService(shop+"/open").NodePort(80, 30714))
	w.golden("surprises", s.text.String())
}
