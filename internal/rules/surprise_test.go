package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// makePod is one that is ready on a node and has the ports of a name; each change is one of what follows.
func makePod(node, port string, changes ...func(*corev1.Pod)) corev1.Pod {
	pod := corev1.Pod{Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{
		{}, {Ports: []corev1.ContainerPort{{Name: port, ContainerPort: 8080, Protocol: corev1.ProtocolTCP}}},
	}}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	for _, change := range changes {
		change(&pod)
	}
	return pod
}

func leaving(p *corev1.Pod)  { p.DeletionTimestamp = new(metav1.NewTime(time.Unix(1, 0))) }
func finished(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }
func unready(p *corev1.Pod)  { p.Status.Conditions[0].Status = corev1.ConditionFalse }
func overUDP(p *corev1.Pod)  { p.Spec.Containers[1].Ports[0].Protocol = corev1.ProtocolUDP }
func bySidecar(p *corev1.Pod) {
	p.Spec.InitContainers, p.Spec.Containers = p.Spec.Containers[1:], p.Spec.Containers[:1]
	p.Spec.InitContainers[0].RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
}

func toName(name string) PortOption {
	return func(p *corev1.ServicePort) { p.TargetPort = intstr.FromString(name) }
}

func selecting(s *Service, app string) *corev1.Service {
	svc := s.Obj()
	svc.Spec.Selector = map[string]string{"app": app}
	return svc
}

func surprises(svc, old *corev1.Service, s Surroundings, pools ...*testPool) []string {
	q, chart := ask(svc, old), chartOf(pools...)
	return Surprises(chart, q, Judge(chart, FakeLedger{}, q), s)
}

func TestATargetPortThatNoPodHasIsWarnedAbout(t *testing.T) {
	const one = `spec.ports[0].targetPort: no container of the 1 Pod that the selector selects has a TCP port of the name "http": nothing answers`
	web := func() *Service { return MakeService("shop/web").NodePort(80, 30080, toName("http")) }
	for _, c := range []struct {
		name string
		svc  *corev1.Service
		old  *corev1.Service
		pods []corev1.Pod
		want []string
	}{
		{"a Pod has it", selecting(web(), "a"), nil, []corev1.Pod{makePod("n1", "http")}, nil},
		{"one of two Pods has it", selecting(web(), "a"), nil, []corev1.Pod{makePod("n1", "grpc"), makePod("n2", "http")}, nil},
		{"a sidecar has it", selecting(web(), "a"), nil, []corev1.Pod{makePod("n1", "http", bySidecar)}, nil},
		{"no Pod has it", selecting(web(), "a"), nil, []corev1.Pod{makePod("n1", "grpc")}, []string{one}},
		{"one that is not ready counts", selecting(web(), "a"), nil, []corev1.Pod{makePod("n1", "grpc", unready)}, []string{one}},
		{"a Pod has it for another protocol", selecting(web(), "a"), nil, []corev1.Pod{makePod("n1", "http", overUDP)}, []string{one}},
		{"only one that goes has it", selecting(web(), "a"), nil, []corev1.Pod{makePod("n1", "http", leaving), makePod("n1", "grpc")}, []string{one}},
		{"there is no Pod yet", selecting(web(), "a"), nil, []corev1.Pod{}, nil},
		{"there are only Pods that have ended", selecting(web(), "a"), nil, []corev1.Pod{makePod("n1", "grpc", finished)}, nil},
		{"Pods are not known", selecting(web(), "a"), nil, nil, nil},
		{"a number", selecting(MakeService("shop/web").NodePort(80, 30080), "a"), nil, []corev1.Pod{makePod("n1", "grpc")}, nil},
		{"it was so before", selecting(web().Label("a", "b"), "a"), selecting(web(), "a"), []corev1.Pod{makePod("n1", "grpc")}, nil},
		{"the selector is another", selecting(web(), "b"), selecting(web(), "a"), []corev1.Pod{makePod("n1", "grpc")}, []string{one}},
		{"an entry that is added", selecting(web().NodePort(81, 30081, Named("b"), toName("admin")), "a"), selecting(web(), "a"),
			[]corev1.Pod{makePod("n1", "grpc"), makePod("n2", "grpc")},
			[]string{`spec.ports[1].targetPort: no container of the 2 Pods that the selector selects has a TCP port of the name "admin": nothing answers`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, surprises(c.svc, c.old, Surroundings{Pods: c.pods})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLocalTrafficToPodsOfOneNodeIsWarnedAbout(t *testing.T) {
	const rest = " on one node: all other nodes drop what comes to its node ports"
	local := func() *Service { return MakeService("shop/web").NodePort(80, 30080).LocalTraffic() }
	two := []corev1.Pod{makePod("n1", ""), makePod("n1", "")}
	for _, c := range []struct {
		name string
		svc  *corev1.Service
		old  *corev1.Service
		pods []corev1.Pod
		want []string
	}{
		{"one Pod", selecting(local(), "a"), nil, two[:1], []string{"spec.externalTrafficPolicy: Local, and the Service's only ready Pod is" + rest}},
		{"two Pods on one node", selecting(local(), "a"), nil, two, []string{"spec.externalTrafficPolicy: Local, and the Service's 2 ready Pods are all" + rest}},
		{"two Pods on two", selecting(local(), "a"), nil, []corev1.Pod{makePod("n1", ""), makePod("n2", "")}, nil},
		{"of two only one is ready", selecting(local(), "a"), nil, []corev1.Pod{makePod("n1", ""), makePod("n2", "", unready)},
			[]string{"spec.externalTrafficPolicy: Local, and the Service's only ready Pod is" + rest}},
		{"of two one goes", selecting(local(), "a"), nil, []corev1.Pod{makePod("n1", ""), makePod("n2", "", leaving)},
			[]string{"spec.externalTrafficPolicy: Local, and the Service's only ready Pod is" + rest}},
		{"none is ready", selecting(local(), "a"), nil, []corev1.Pod{makePod("n1", "", unready)}, nil},
		{"not known", selecting(local(), "a"), nil, nil, nil},
		{"cluster-wide traffic", selecting(MakeService("shop/web").NodePort(80, 30080), "a"), nil, two, nil},
		{"without node ports", selecting(MakeService("shop/web").Port(80).LocalTraffic(), "a"), nil, two, nil},
		{"it was so before", selecting(local().Label("a", "b"), "a"), selecting(local(), "a"), two, nil},
		{"it becomes so", selecting(local(), "a"), selecting(MakeService("shop/web").NodePort(80, 30080), "a"), two,
			[]string{"spec.externalTrafficPolicy: Local, and the Service's 2 ready Pods are all" + rest}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, surprises(c.svc, c.old, Surroundings{Pods: c.pods})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPodsAreWantedWhereAWarningMayComeOfThem(t *testing.T) {
	web := MakeService("shop/web").NodePort(80, 30080)
	byName := MakeService("shop/web").NodePort(80, 30080, toName("http"))
	local := MakeService("shop/web").NodePort(80, 30080).LocalTraffic()
	for _, c := range []struct {
		name     string
		svc, old *corev1.Service
		want     bool
	}{
		{"numbers alone", selecting(web, "a"), nil, false},
		{"a name", selecting(byName, "a"), nil, true},
		{"a name that has been there", selecting(byName, "a"), selecting(byName, "a"), false},
		{"a name in place of a number", selecting(byName, "a"), selecting(web, "a"), true},
		{"local traffic", selecting(local, "a"), nil, true},
		{"local traffic as before", selecting(local, "a"), selecting(local, "a"), false},
		{"local traffic to other Pods", selecting(local, "b"), selecting(local, "a"), true},
		{"without a selector", byName.Obj(), nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := WantsPods(ask(c.svc, c.old)); got != c.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestAccessIsWantedWhereANodePortIsNew(t *testing.T) {
	web := MakeService("shop/web").NodePort(80, 30080)
	for _, c := range []struct {
		name     string
		svc, old *corev1.Service
		want     bool
	}{
		{"a number", web.Obj(), nil, true},
		{"one that it had", web.Label("a", "b").Obj(), web.Obj(), false},
		{"one more", MakeService("shop/web").NodePort(80, 30080, Named("a")).NodePort(81, 30081, Named("b")).Obj(), web.Obj(), true},
		{"none", MakeService("shop/web").Port(80).Obj(), nil, false},
		{"one that is to be chosen", MakeService("shop/web").NodePort(80, 0).Obj(), nil, false},
		{"that of a health check", MakeService("shop/web").LoadBalancer().LocalTraffic().AllocateNodePorts(false).Port(80).HealthCheck(30900).Obj(), nil, false},
	} {
		if got := WantsAccesses(Judge(chartOf(), FakeLedger{}, ask(c.svc, c.old))); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// allowing is a NodePortAccess for Services with the label app, of these ports.
func allowing(app string, ports ...string) *access.Policy {
	a := &v1alpha1.NodePortAccess{}
	a.Spec.Ports = ports
	if app != "" {
		a.Spec.ServiceSelector.MatchLabels = map[string]string{"app": app}
	}
	return access.NewSelection(a)
}

func TestANodePortThatIsOpenToEverySourceIsWarnedAboutWhereOthersAreNot(t *testing.T) {
	const one = "node port 30080 is open to every source: no NodePortAccess of this namespace selects it"
	web := func() *Service { return MakeService("shop/web").Label("app", "web").NodePort(80, 30080, Named("http")) }
	two := func() *Service { return web().NodePort(443, 30443, Named("https")) }
	ceiling := makePool("team-a", "30000-30099").For("a")
	ceiling.Spec.Access = &v1alpha1.PoolAccess{From: []v1alpha1.AccessPeer{{IPBlock: v1alpha1.IPBlock{CIDR: "203.0.113.0/24"}}}}
	capped := func(name, ranges, app string) *testPool {
		p := makePool(name, ranges).For(app)
		p.Spec.Access = ceiling.Spec.Access
		return p
	}
	for _, c := range []struct {
		name     string
		svc, old *Service
		accesses []*access.Policy
		pools    []*testPool
		want     []string
	}{
		{name: "nobody says who may reach what", svc: web()},
		{name: "it is selected", svc: web(), accesses: []*access.Policy{allowing("other"), allowing("web")}},
		{name: "all are", svc: web(), accesses: []*access.Policy{allowing("")}},
		{name: "its port is", svc: web(), accesses: []*access.Policy{allowing("web", "http")}},
		{name: "another Service is", svc: web(), accesses: []*access.Policy{allowing("other")}, want: []string{one}},
		{name: "another port is", svc: web(), accesses: []*access.Policy{allowing("web", "https")}, want: []string{one}},
		{name: "one of two ports is", svc: two(), accesses: []*access.Policy{allowing("web", "https")}, want: []string{one}},
		{name: "neither is", svc: two(), accesses: []*access.Policy{allowing("other")},
			want: []string{"node ports 30080, 30443 are open to every source: no NodePortAccess of this namespace selects them"}},
		{name: "its pool has a ceiling", svc: web(), pools: pools(ceiling)},
		{name: "another pool of the namespace has one", svc: web(), pools: pools(makePool("team-a", "30000-30099").For("a"), capped("more", "31000-31099", "a")), want: []string{one}},
		{name: "another tenant's pool has one", svc: web(), pools: pools(makePool("team-a", "30000-30099").For("a"), capped("team-b", "31000-31099", "b"))},
		{name: "a tenant's pool has one, and no pool selects the namespace", svc: web(), pools: pools(capped("team-b", "31000-31099", "b"))},
		{name: "it has the number already", svc: web().Label("x", "y"), old: web(), accesses: []*access.Policy{allowing("other")}},
		{name: "a health check is nobody's to select", svc: MakeService("shop/web").LoadBalancer().LocalTraffic().AllocateNodePorts(false).Port(80).HealthCheck(30900),
			accesses: []*access.Policy{allowing("other")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var old *corev1.Service
			if c.old != nil {
				old = c.old.Obj()
			}
			if diff := cmp.Diff(c.want, surprises(c.svc.Obj(), old, Surroundings{Accesses: c.accesses}, c.pools...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
