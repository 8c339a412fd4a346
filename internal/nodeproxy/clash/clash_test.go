package clash

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
	"github.com/portolan-dev/portolan/internal/nodeproxy/ephemeral"
	"github.com/portolan-dev/portolan/internal/nodeproxy/listeners"
)

// facts are of a node on which a Service has TCP 30080, another one UDP 30053, and a third the health check TCP 30900.
func facts(change ...func(*Facts)) Facts {
	f := Facts{
		Range: v1alpha1.PortRange{From: 30000, To: 32767},
		Services: map[Port]Use{
			{corev1.ProtocolTCP, 30080}: NodePort,
			{corev1.ProtocolUDP, 30053}: NodePort,
			{corev1.ProtocolTCP, 30900}: HealthCheck,
		},
	}
	for _, c := range change {
		c(&f)
	}
	return f
}

func listens(protocol listeners.Protocol, address string, port uint16, process listeners.Process) func(*Facts) {
	return func(f *Facts) {
		f.Listeners = append(f.Listeners, listeners.Listener{
			Protocol: protocol, Address: netip.MustParseAddr(address), Port: port, Inode: 1, Process: process,
		})
	}
}

func nginx(address string, port uint16) func(*Facts) {
	return listens(listeners.TCP, address, port, listeners.Process{Name: "nginx"})
}

func hostPort(number int32, loopback bool) func(*Facts) {
	return func(f *Facts) {
		pod := types.NamespacedName{Namespace: "shop", Name: "web-0"}
		f.HostPorts = append(f.HostPorts, HostPort{Port{corev1.ProtocolTCP, number}, pod, loopback})
	}
}

func chosenFrom(from, to uint16, reserved string) func(*Facts) {
	return func(f *Facts) {
		set, err := bitmap.Parse(reserved)
		if err != nil {
			panic(err)
		}
		f.Ephemeral = ephemeral.Settings{Range: ephemeral.Range{From: from, To: to}, Reserved: set}
	}
}

func atLocalhost(f *Facts) { f.Localhost = true }

var usual = chosenFrom(32768, 60999, "")

func TestClashesAreFound(t *testing.T) {
	for _, c := range []struct {
		name      string
		facts     Facts
		want      []string // an asterisk: of a Service
		numbers   string
		condition string
	}{
		{"nothing", facts(usual), nil, "", "True Clear"},
		{"a process at a Service's number", facts(usual, nginx("::", 30080)), []string{"* nginx listens on TCP 30080"}, "30080", "False Clashing"},
		{"a process at a number that nobody has", facts(nginx("0.0.0.0", 31000)), []string{"nginx listens on TCP 31000"}, "31000", "False InTheWay"},
		{"a process at a number of another protocol", facts(nginx("::", 30053)), []string{"nginx listens on TCP 30053"}, "30053", "False InTheWay"},
		{"a process that nobody knows", facts(listens(listeners.UDP, "::", 30053, listeners.Process{})), []string{"* a process listens on UDP 30053"}, "30053", "False Clashing"},
		{"SCTP", facts(listens(listeners.SCTP, "::", 30001, listeners.Process{})), []string{"a process listens on SCTP 30001"}, "30001", "False InTheWay"},
		{"at two addresses", facts(nginx("192.0.2.1", 30080), nginx("2001:db8::1", 30080)), []string{"* nginx listens on TCP 30080"}, "30080", "False Clashing"},
		{"outside of the range", facts(nginx("::", 29999), nginx("::", 32768)), nil, "", "True Clear"},
		{"at loopback addresses", facts(nginx("127.0.0.1", 30080), nginx("::1", 30080), hostPort(30080, true)), nil, "", "True Clear"},
		{"at loopback addresses where node ports are served", facts(atLocalhost, nginx("127.0.0.1", 30080)), []string{"* nginx listens on TCP 30080"}, "30080", "False Clashing"},
		{"the node-proxy's own", facts(listens(listeners.TCP, "::", 31000, listeners.Process{Name: "node-proxy", Own: true})), nil, "", "True Clear"},
		{"a health check, answered by some proxy", facts(listens(listeners.TCP, "::", 30900, listeners.Process{})), nil, "", "True Clear"},
		{"its number with another protocol", facts(listens(listeners.UDP, "::", 30900, listeners.Process{})), []string{"a process listens on UDP 30900"}, "30900", "False InTheWay"},
		{"a hostPort at a Service's number", facts(hostPort(30080, false)), []string{"* Pod shop/web-0 has the hostPort TCP 30080"}, "30080", "False Clashing"},
		{"a hostPort at a health check's", facts(hostPort(30900, false)), []string{"* Pod shop/web-0 has the hostPort TCP 30900"}, "30900", "False Clashing"},
		{"a pod of the host's network", facts(hostPort(30080, false), nginx("::", 30080)), []string{"* Pod shop/web-0 has the hostPort TCP 30080"}, "30080", "False Clashing"},
		{"what Services have comes first", facts(nginx("::", 30001), nginx("::", 30080), nginx("::", 30002)),
			[]string{"* nginx listens on TCP 30080", "nginx listens on TCP 30001", "nginx listens on TCP 30002"}, "30001-30002,30080", "False Clashing"},
		{"outgoing connections", facts(chosenFrom(1024, 60999, "30000-30079,30900-32767")),
			[]string{"* outgoing connections may have TCP 30080"}, "", "False EphemeralOverlap"},
		{"a process at a number that the kernel may have given it", facts(chosenFrom(1024, 60999, "30053,30080,30900"), nginx("::", 31000)), nil, "", "True Clear"},
		{"one at a number that is reserved", facts(chosenFrom(1024, 60999, "30053,30080,30900,31000"), nginx("::", 31000)), []string{"nginx listens on TCP 31000"}, "31000", "False InTheWay"},
		{"a hostPort that the kernel may give to others", facts(chosenFrom(1024, 60999, "30053,30080,30900"), hostPort(31000, false)),
			[]string{"Pod shop/web-0 has the hostPort TCP 31000"}, "31000", "False InTheWay"},
		{"outgoing connections may have no number of a Service", facts(chosenFrom(1024, 60999, "30053,30080,30900")), nil, "", "True Clear"},
		{"outgoing connections, and a hostPort that no Service has", facts(chosenFrom(1024, 60999, "30053,30900"), hostPort(31000, false)),
			[]string{"* outgoing connections may have TCP 30080", "Pod shop/web-0 has the hostPort TCP 31000"}, "31000", "False EphemeralOverlap"},
		{"a process, and outgoing connections", facts(chosenFrom(1024, 60999, "30053,30900"), nginx("::", 30080)),
			[]string{"* nginx listens on TCP 30080", "* outgoing connections may have TCP 30080"}, "30080", "False Clashing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Find(c.facts)
			var got []string
			for _, clash := range r.Clashes {
				text := clash.String()
				if clash.OfService {
					text = "* " + text
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("clashes (-want +got):\n%s", diff)
			}
			if got := r.NodePorts(); got != c.numbers {
				t.Errorf("not to be handed out are %q, want %q", got, c.numbers)
			}
			if got := r.Condition(); fmt.Sprint(got.Status, " ", got.Reason) != c.condition || got.Type != v1alpha1.NodeStateNoClashes {
				t.Errorf("the condition is %+v, want %s", got, c.condition)
			}
		})
	}
}

func TestTheConditionSaysInWordsWhatClashes(t *testing.T) {
	four := []func(*Facts){nginx("::", 31001), nginx("::", 31002), nginx("::", 31003), nginx("::", 31004)}
	for _, c := range []struct {
		name, want string
		facts      Facts
	}{
		{"with Services", "Services have these node ports, and one of the two does not get its traffic: nginx listens on TCP 30080, Pod shop/web-0 has the hostPort TCP 30900.",
			facts(nginx("::", 30080), hostPort(30900, false))},
		{"with none", "These numbers are not handed out: nginx listens on TCP 31001, nginx listens on TCP 31002, nginx listens on TCP 31003, and 1 more.", facts(four...)},
		{"with outgoing connections", "The node may give node ports of Services (UDP 30053, TCP 30080, TCP 30900) to its own outgoing connections, whose ports are from 1024-60999: reserve them with --reserve-ephemeral.",
			facts(chosenFrom(1024, 60999, ""))},
		{"with all, the worst first", "Services have these node ports, and one of the two does not get its traffic: nginx listens on TCP 30080. " +
			"The node may give node ports of Services (UDP 30053) to its own outgoing connections, whose ports are from 1024-60999: reserve them with --reserve-ephemeral. " +
			"These numbers are not handed out: Pod shop/web-0 has the hostPort TCP 31000.",
			facts(chosenFrom(1024, 60999, "30080,30900"), nginx("::", 30080), hostPort(31000, false))},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Find(c.facts).Condition().Message; got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestAReportFitsIntoTheStatus(t *testing.T) {
	f := facts(usual, nginx("::", 30080))
	for port := uint16(30100); port < 30500; port++ {
		nginx("::", port)(&f)
	}
	var status v1alpha1.NodePortNodeStateStatus
	Find(f).Fill(&status)
	if len(status.Clashes) != 256 || status.Clashes[0].NodePort != 30080 {
		t.Errorf("%d clashes, the first of %d", len(status.Clashes), status.Clashes[0].NodePort)
	}
	want := v1alpha1.NodePortNodeStateStatus{
		ClashingNodePorts: "30080,30100-30499", EphemeralRange: "32768-60999",
		Conditions: []metav1.Condition{{Type: v1alpha1.NodeStateNoClashes, Status: metav1.ConditionFalse, Reason: v1alpha1.NodeStateReasonClashing}},
	}
	if diff := cmp.Diff(want, status, cmpopts.IgnoreFields(v1alpha1.NodePortNodeStateStatus{}, "Clashes"), cmpopts.IgnoreFields(metav1.Condition{}, "Message")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	Find(facts()).Fill(&status)
	if len(status.Clashes) > 0 || status.ClashingNodePorts != "" {
		t.Errorf("then nothing clashes, and the status has %v", status.Clashes)
	}
}

func TestAnEventIsOfANewClashWithAService(t *testing.T) {
	before := Find(facts(nginx("::", 30080), nginx("::", 31000)))
	after := Find(facts(chosenFrom(1024, 60999, ""), nginx("::", 30080), nginx("::", 31000), nginx("::", 31001), hostPort(30900, false),
		listens(listeners.UDP, "::", 30053, listeners.Process{Name: "named"})))
	var got []string
	for _, c := range after.New(before) {
		got = append(got, c.Note("node-1")) // which names nobody
	}
	const outcome = ", which is the node port of a Service: one of the two does not get its traffic. Who it is: kubectl get npns node-1 -o yaml"
	want := []string{"a process of the node listens on UDP 30053" + outcome, "a Pod of the node has the hostPort TCP 30900" + outcome}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if again := after.New(after); len(again) > 0 {
		t.Errorf("said twice: %v", again)
	}
	taken := facts(nginx("::", 31000))
	taken.Services[Port{corev1.ProtocolTCP, 31000}] = NodePort
	if now := Find(taken).New(before); len(now) != 1 || now[0].NodePort != 31000 {
		t.Errorf("a Service has got the number since, and it is said: %v", now)
	}
}

func TestOfPodsWithOneHostPortTheSameIsAlwaysTold(t *testing.T) {
	f := facts()
	for _, name := range []string{"a", "b"} {
		f.HostPorts = append(f.HostPorts, HostPort{Port{corev1.ProtocolTCP, 30080}, types.NamespacedName{Namespace: "shop", Name: name}, false})
	}
	before := Find(f)
	slices.Reverse(f.HostPorts)
	if after := Find(f); !after.Equal(before) || len(after.Clashes) != 1 {
		t.Errorf("in another order: %v, before %v", after, before)
	}
}

func TestHostPortsOfAPod(t *testing.T) {
	container := func(ports ...corev1.ContainerPort) corev1.Container { return corev1.Container{Ports: ports} }
	pod := func(phase corev1.PodPhase, containers ...corev1.Container) *corev1.Pod {
		p := &corev1.Pod{Spec: corev1.PodSpec{Containers: containers}, Status: corev1.PodStatus{Phase: phase}}
		p.Namespace, p.Name = "shop", "web-0"
		return p
	}
	web := corev1.ContainerPort{ContainerPort: 80, HostPort: 30080}
	dns := corev1.ContainerPort{ContainerPort: 53, HostPort: 30053, Protocol: corev1.ProtocolUDP, HostIP: "127.0.0.1"}
	withInit := pod(corev1.PodRunning, container())
	withInit.Spec.InitContainers = []corev1.Container{container(web), container(dns)}
	withInit.Spec.InitContainers[1].RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
	for _, c := range []struct {
		name string
		pod  *corev1.Pod
		want []string
	}{
		{"two containers", pod(corev1.PodRunning, container(web), container(dns)), []string{"TCP 30080", "UDP 30053 loopback"}},
		{"a pod that is about to run", pod(corev1.PodPending, container(web)), []string{"TCP 30080"}},
		{"one that has ended", pod(corev1.PodSucceeded, container(web)), nil},
		{"one that has failed", pod(corev1.PodFailed, container(web)), nil},
		{"no hostPort", pod(corev1.PodRunning, container(corev1.ContainerPort{ContainerPort: 80})), nil},
		{"of containers that begin first those that go on", withInit, []string{"UDP 30053 loopback"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, p := range HostPorts(c.pod) {
				text := p.Port.String()
				if p.Loopback {
					text += " loopback"
				}
				if p.Pod.String() != "shop/web-0" {
					t.Errorf("of %s", p.Pod)
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Find goes through what a node has; here each number of each protocol is asked about all that.
func TestClashesAreWhatOneFindsNumberByNumber(t *testing.T) {
	protocols := map[corev1.Protocol]listeners.Protocol{"TCP": listeners.TCP, "UDP": listeners.UDP, "SCTP": listeners.SCTP}
	protocol := rapid.SampledFrom([]corev1.Protocol{"TCP", "UDP", "SCTP"})
	number := rapid.Int32Range(29999, 30006)
	met := map[v1alpha1.ClashKind]int{}
	rapid.Check(t, func(t *rapid.T) {
		f := Facts{Range: v1alpha1.PortRange{From: 30000, To: 30005}, Services: map[Port]Use{}, Localhost: rapid.Bool().Draw(t, "localhost")}
		for range rapid.IntRange(0, 4).Draw(t, "Services") {
			n := rapid.Int32Range(30000, 30005).Draw(t, "of a Service")
			f.Services[Port{protocol.Draw(t, "protocol"), n}] = rapid.SampledFrom([]Use{NodePort, HealthCheck}).Draw(t, "use")
		}
		for range rapid.IntRange(0, 4).Draw(t, "listeners") {
			address := rapid.SampledFrom([]string{"0.0.0.0", "127.0.0.1", "192.0.2.1", "::1"}).Draw(t, "address")
			process := listeners.Process{Name: "nginx", Own: rapid.IntRange(0, 3).Draw(t, "own") == 0}
			listens(protocols[protocol.Draw(t, "protocol")], address, uint16(number.Draw(t, "listens at")), process)(&f)
		}
		for range rapid.IntRange(0, 2).Draw(t, "pods") {
			f.HostPorts = append(f.HostPorts, HostPort{Port{protocol.Draw(t, "protocol"), number.Draw(t, "hostPort")}, types.NamespacedName{Namespace: "shop", Name: "web-0"}, rapid.Bool().Draw(t, "loopback")})
		}
		if rapid.Bool().Draw(t, "ephemeral") {
			chosenFrom(30003, 60999, "30005")(&f)
		}
		want := map[Port][]v1alpha1.ClashKind{}
		for n := f.Range.From; n <= f.Range.To; n++ {
			for p := range protocols {
				want[Port{p, n}] = kindsAt(f, Port{p, n}, protocols[p])
			}
		}
		report := Find(f)
		for _, c := range report.Clashes {
			met[c.Kind]++
			i := slices.Index(want[c.port()], c.Kind)
			if _, ofService := f.Services[c.port()]; i < 0 || c.OfService != ofService {
				t.Fatalf("%v is found, want %v", c, want[c.port()])
			}
			want[c.port()] = slices.Delete(want[c.port()], i, i+1)
		}
		for port, kinds := range want {
			if len(kinds) > 0 {
				t.Fatalf("%s: %v is not found", port, kinds)
			}
		}
		if !slices.IsSortedFunc(report.Clashes, Clash.compare) {
			t.Fatalf("not in order: %v", report.Clashes)
		}
	})
	for _, kind := range []v1alpha1.ClashKind{v1alpha1.ClashHostListener, v1alpha1.ClashHostPort, v1alpha1.ClashEphemeral} {
		if met[kind] == 0 {
			t.Errorf("nothing was %s", kind)
		}
	}
}

// kindsAt are the clashes of one port.
func kindsAt(f Facts, port Port, protocol listeners.Protocol) []v1alpha1.ClashKind {
	var kinds []v1alpha1.ClashKind
	use, ofService := f.Services[port]
	ephemeral := f.Ephemeral.Chooses(port.Number)
	pod := slices.ContainsFunc(f.HostPorts, func(h HostPort) bool { return h.Port == port && (f.Localhost || !h.Loopback) })
	listener := slices.ContainsFunc(f.Listeners, func(l listeners.Listener) bool {
		proxy := l.Process.Own || port.Protocol == "TCP" && use == HealthCheck
		return l.Protocol == protocol && int32(l.Port) == port.Number && !proxy && (f.Localhost || !l.Loopback()) && (ofService || !ephemeral)
	})
	switch {
	case pod:
		kinds = append(kinds, v1alpha1.ClashHostPort)
	case listener:
		kinds = append(kinds, v1alpha1.ClashHostListener)
	}
	if ofService && ephemeral {
		kinds = append(kinds, v1alpha1.ClashEphemeral)
	}
	return kinds
}
