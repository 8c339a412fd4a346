package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/knock"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// source is where it is tried from.
var source = netip.MustParseAddr("198.51.100.7")

// twoNodes has two nodes with rules and a pod each, behind Service shop/web with port 30100.
func twoNodes() *picturetest.Cluster {
	c := picturetest.New().Pool("team-a", "30100-30199", "shop").Node("node-1", "30100").Node("node-2", "30100")
	c.Service(MakeService("shop/web").NodePort(80, 30100, Named("http"), Target(8080)))
	for i := range c.Nodes {
		c.Nodes[i].Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.0.2." + string(rune('1'+i))}}
		c.Nodes[i].Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	}
	slice := MakeSlice("shop/web", "1").Port("http", 8080).Endpoint("10.0.0.1", OnNode("node-1")).Endpoint("10.0.0.2", OnNode("node-2")).Obj()
	for i, pod := range []string{"one", "two"} {
		slice.Endpoints[i].TargetRef = &corev1.ObjectReference{Kind: "Pod", Name: pod}
	}
	c.EndpointSlices = append(c.EndpointSlices, *slice)
	return c
}

// outcomes are what each door comes to, in their order.
func outcomes(p *picture.Picture, all ...knock.Outcome) Report {
	k := Knocked{Doors: Doors(p, &p.Services[0], How{})}
	for i, door := range k.Doors {
		a := knock.Answer{Door: door.Door, Outcome: all[i], Source: source}
		if a.Outcome == knock.OK {
			a.Took = time.Duration(i+1) * time.Millisecond
		}
		k.Answers = append(k.Answers, a)
	}
	return Judge(p, "shop", "web", []Knocked{k})
}

// refusedFrom is tried from nodes that time out, each at all doors with an address of its own.
func refusedFrom(p *picture.Picture, nodes int) Report {
	var all []Knocked
	for i := range nodes {
		k := Knocked{From: fmt.Sprintf("node-%d", i+1), Doors: Doors(p, &p.Services[0], How{})}
		for _, door := range k.Doors {
			k.Answers = append(k.Answers, knock.Answer{Door: door.Door, Outcome: knock.TimedOut, Source: netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)})})
		}
		all = append(all, k)
	}
	return Judge(p, "shop", "web", all)
}

func office(change func(*v1alpha1.NodePortAccessSpec)) v1alpha1.NodePortAccess {
	a := v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "office"}}
	change(&a.Spec)
	return a
}

func from203(s *v1alpha1.NodePortAccessSpec) {
	s.From = []v1alpha1.AccessPeer{{IPBlock: v1alpha1.IPBlock{CIDR: "203.0.113.0/24"}}}
}

// A change of a NodePortAccess is advised only where it mends what is tried, and only of an address that is certain.
func TestWhichPartOfANodePortAccessRefusesIsTold(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*v1alpha1.NodePortAccessSpec)
		here   string // is said of who tries from here
		patch  bool   // is advised where nodes try
	}{
		{"its sources", from203, "does not let 198.51.100.7 in (spec.from); that is your address here, and the cluster may see you as another: tcpdump -ni any port 30100 on the node", true},
		{"its nodes", func(s *v1alpha1.NodePortAccessSpec) {
			s.NodeSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"edge": "yes"}}
		}, "lets nobody in at this node (spec.nodeSelector)", false},
		{"its addresses", func(s *v1alpha1.NodePortAccessSpec) { s.Addresses = []v1alpha1.CIDR{"192.0.2.128/25"} }, "lets nobody in at this address of the node (spec.addresses)", false},
		{"what cannot be read of it", func(s *v1alpha1.NodePortAccessSpec) { s.Addresses = []v1alpha1.CIDR{"ten"} }, `lets nobody in, since it cannot be read: spec.addresses[0]: Invalid value: "ten"`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := twoNodes()
			c.Accesses = append(c.Accesses, office(tt.change))
			patches := func(r Report) bool {
				return slices.ContainsFunc(r.Attempts, func(a Attempt) bool {
					return slices.ContainsFunc(a.Commands, func(c string) bool { return strings.Contains(c, " patch ") })
				})
			}
			here := outcomes(c.Picture(), knock.TimedOut, knock.TimedOut)
			if says := here.Attempts[1].Says; !strings.HasPrefix(says, "NodePortAccess office "+tt.here) || patches(here) {
				t.Errorf("got %+v, want %q", here.Attempts[1], tt.here)
			}
			if r := refusedFrom(c.Picture(), 2); patches(r) != tt.patch {
				t.Errorf("from nodes: %+v", r.Attempts)
			}
		})
	}
}

func TestWhetherANodeThatMayNotBeReadIsSelectedIsNotKnown(t *testing.T) {
	c := twoNodes()
	c.Accesses = append(c.Accesses, office(func(s *v1alpha1.NodePortAccessSpec) {
		s.NodeSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"edge": "yes"}}
	}))
	c.Nodes, c.Gaps = nil, []picture.Gap{{Kind: picture.Nodes}}
	for i := range c.NodeStates {
		c.NodeStates[i].Status.Addresses = []string{"192.0.2." + string(rune('1'+i))}
	}
	r := outcomes(c.Picture(), knock.TimedOut, knock.TimedOut)
	if says := r.Attempts[0].Says; !strings.Contains(says, "may let nobody in at this node") {
		t.Errorf("got %q", says)
	}
}

func TestWhatRefusesManyNodesIsSaidOnce(t *testing.T) {
	c := twoNodes()
	c.Accesses = append(c.Accesses, office(from203))
	text := refusedFrom(c.Picture(), 12).Text(term.Screen{Width: 200})
	if remarks := strings.Count(text, "  node-1, node-2: NodePortAccess office does not let the addresses of nodes in"); remarks != 1 || strings.Count(text, " patch ") != 1 {
		t.Errorf("%d remarks:\n%s", remarks, text)
	}
}

func TestDoorsAreAllPortsAtAllNodesOfTheServicesFamilies(t *testing.T) {
	c := twoNodes()
	c.Nodes[0].Status.Addresses = append(c.Nodes[0].Status.Addresses, corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: "203.0.113.1"},
		corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: "2001:db8::1"})
	c.Services[0] = *MakeService("shop/web").NodePort(80, 30100, Named("http")).NodePort(53, 30101, Named("dns"), UDP).Port(81, Named("inside")).
		Families(corev1.IPv4Protocol).Obj()
	p := c.Picture()
	var got []string
	for _, d := range Doors(p, &p.Services[0], How{HTTP: "/", Payload: "?"}) {
		got = append(got, d.Node+" "+d.Address.String()+" "+d.Protocol+" "+d.HTTP+d.Payload)
	}
	want := []string{"node-1 192.0.2.1:30100 TCP /", "node-2 192.0.2.2:30100 TCP /", "node-1 192.0.2.1:30101 UDP ?", "node-2 192.0.2.2:30101 UDP ?"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAddressesThatAreGivenTakeThePlaceOfTheNodes(t *testing.T) {
	p := twoNodes().Picture()
	var got []string
	for _, d := range Doors(p, &p.Services[0], How{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("203.0.113.9")}}) {
		got = append(got, d.Node+" "+d.Address.String())
	}
	if diff := cmp.Diff([]string{"node-2 192.0.2.2:30100", "203.0.113.9 203.0.113.9:30100"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhyANodeDoesNotAnswer(t *testing.T) {
	allow := func(cidr v1alpha1.CIDR, change func(*v1alpha1.NodePortAccess)) func(*picturetest.Cluster) {
		return func(c *picturetest.Cluster) {
			a := v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "office"}}
			a.Spec.From = []v1alpha1.AccessPeer{{IPBlock: v1alpha1.IPBlock{CIDR: cidr}}}
			if change != nil {
				change(&a)
			}
			c.Accesses = append(c.Accesses, a)
		}
	}
	local := func(c *picturetest.Cluster) {
		c.Services[0].Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	}
	for _, tt := range []struct {
		name   string
		change func(*picturetest.Cluster)
		says   string // of node-2, which times out while node-1 answers
		next   string // a command
		well   bool
	}{
		{"nothing is known", func(*picturetest.Cluster) {}, "other nodes answer, and this one has reported", "kubectl describe npns node-2", false},
		{"the rules are missing", func(c *picturetest.Cluster) { c.NodeStates[1].Status.NodePorts = "30200" }, "the rules are missing there", "kubectl describe npns node-2", false},
		{"the number is too new for a report", func(c *picturetest.Cluster) {
			c.NodeStates[1].Status.NodePorts, c.Services[0].CreationTimestamp = "30200", picturetest.Ago(time.Minute)
		}, "whether the rules are there is not reported yet", "kubectl portolan check web -n shop", false},
		{"the number is old enough for a report", func(c *picturetest.Cluster) {
			c.NodeStates[1].Status.NodePorts, c.Services[0].CreationTimestamp = "30200", picturetest.Ago(2*time.Minute)
		}, "the rules are missing there", "kubectl describe npns node-2", false},
		{"there is neither a pod nor a report", func(c *picturetest.Cluster) {
			c.NodeStates[1].Status.NodePorts, c.EndpointSlices = "30200", nil
		}, "no pod of the Service is ready, of 0", "kubectl -n shop get pods -o wide", false},
		{"the node is not ready", func(c *picturetest.Cluster) { c.Nodes[1].Status.Conditions = nil }, "the node is not Ready", "kubectl describe node node-2", false},
		{"a policy refuses", allow("203.0.113.0/24", nil), "NodePortAccess office does not let 198.51.100.7 in", "kubectl -n shop describe npacc office", false},
		{"a policy lets in", allow("198.51.100.0/24", nil), "other nodes answer", "kubectl describe npns node-2", false},
		{"a policy is about other nodes", allow("198.51.100.0/24", func(a *v1alpha1.NodePortAccess) {
			a.Spec.NodeSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"edge": "yes"}}
		}), "NodePortAccess office lets nobody in at this node", "kubectl -n shop describe npacc office", false},
		{"a policy is about other addresses", allow("198.51.100.0/24", func(a *v1alpha1.NodePortAccess) {
			a.Spec.Addresses = []v1alpha1.CIDR{"192.0.2.1/32"}
		}), "NodePortAccess office lets nobody in at this address", "kubectl -n shop describe npacc office", false},
		{"a policy that no guard enforces", func(c *picturetest.Cluster) {
			allow("203.0.113.0/24", nil)(c)
			c.NodeStates[1].Status.Guard = nil
		}, "other nodes answer", "kubectl describe npns node-2", false},
		{"a pool refuses", func(c *picturetest.Cluster) {
			c.ChangePool(func(spec *v1alpha1.NodePortPoolSpec) {
				spec.Access = &v1alpha1.PoolAccess{From: []v1alpha1.AccessPeer{{IPBlock: v1alpha1.IPBlock{CIDR: "203.0.113.0/24"}}}}
			})
		}, "pool team-a does not let 198.51.100.7 in", "kubectl describe npp team-a", false},
		{"it is not to answer", func(c *picturetest.Cluster) {
			local(c)
			c.EndpointSlices[0].Endpoints = c.EndpointSlices[0].Endpoints[:1]
		}, "as it is to be: externalTrafficPolicy is Local", "", true},
		{"its own pod does not answer", local, "a pod that is ready and does not answer at targetPort 8080 (two)", "kubectl -n shop get networkpolicies", false},
		{"no pod is ready", func(c *picturetest.Cluster) {
			for i := range c.EndpointSlices[0].Endpoints {
				c.EndpointSlices[0].Endpoints[i].Conditions.Ready = new(false)
			}
		}, "no pod of the Service is ready, of 2", "kubectl -n shop get pods -o wide", false},
		{"something else has the number", func(c *picturetest.Cluster) { c.Clash(30100, "nginx") }, "something else uses the number there: nginx", "kubectl portolan who 30100", false},
		{"another proxy serves it", func(c *picturetest.Cluster) { c.NodeStates = nil }, "the cluster's own proxy serves it there", "kubectl -n kube-system", false},
		{"no proxy of that name", func(c *picturetest.Cluster) {
			c.Services[0].Labels = map[string]string{v1alpha1.ServiceProxyNameLabel: "other"}
		}, `no proxy of the name "other"`, "kubectl describe npns node-2", false},
		{"endpoints may not be read", func(c *picturetest.Cluster) {
			c.EndpointSlices = nil
			c.Gaps = append(c.Gaps, picture.Gap{Kind: picture.EndpointSlices})
		}, "why cannot be told", "kubectl portolan who 30100", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := twoNodes()
			tt.change(c)
			r := outcomes(c.Picture(), knock.OK, knock.TimedOut)
			a := r.Attempts[1]
			if !strings.HasPrefix(a.Says, tt.says) && !strings.Contains(a.Says, tt.says) || a.Finding == tt.well {
				t.Errorf("got %+v, want %q", a, tt.says)
			}
			if tt.next != "" && !slices.ContainsFunc(a.Commands, func(c string) bool { return strings.HasPrefix(c, tt.next) }) {
				t.Errorf("got commands %q, want %q", a.Commands, tt.next)
			}
			if (len(r.Findings()) == 0) != tt.well {
				t.Errorf("findings: %+v", r.Findings())
			}
		})
	}
}

func TestAnAddressOfNoNodeIsSaidToBeThat(t *testing.T) {
	const local = corev1.ServiceExternalTrafficPolicyLocal
	for _, tt := range []struct {
		name, address string
		change        func(*picturetest.Cluster)
		want          string
	}{
		{"loopback", "127.0.0.1", func(*picturetest.Cluster) {}, "no node has this address: it may lead to one"},
		{"of a Service whose traffic stays", "127.0.0.1", func(w *picturetest.Cluster) { w.Services[0].Spec.ExternalTrafficPolicy = local }, "no node has this address"},
		{"of a Service that a proxy serves", "127.0.0.1", func(w *picturetest.Cluster) {
			w.Services[0].Labels = map[string]string{v1alpha1.ServiceProxyNameLabel: "portolan"}
		}, "no node has this address"},
		{"a node's", "192.0.2.2", func(*picturetest.Cluster) {}, "the node has reported that it has the rules"},
		{"nodes may not be read", "127.0.0.1", func(w *picturetest.Cluster) { w.Nodes = nil }, "the cluster's own proxy serves it there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := twoNodes()
			tt.change(w)
			p := w.Picture()
			k := Knocked{Doors: Doors(p, &p.Services[0], How{Addresses: []netip.Addr{netip.MustParseAddr(tt.address)}})}
			for _, door := range k.Doors {
				k.Answers = append(k.Answers, knock.Answer{Door: door.Door, Outcome: knock.Refused})
			}
			if got := Judge(p, "shop", "web", []Knocked{k}).Attempts[0]; !strings.HasPrefix(got.Says, tt.want) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestAPayloadThatNoPortWouldBeSentIsRefused(t *testing.T) {
	p := twoNodes().Picture()
	o := options{how: How{Payload: "hello"}}
	if _, err := o.try(t.Context(), nil, p, []*corev1.Service{&p.Services[0]}); err == nil || !strings.HasPrefix(err.Error(), "--udp-payload is for UDP ports, and there is none among these") {
		t.Errorf("got %v", err)
	}
}

func TestWhosePodAnswersIsHeldAgainstTheServicesOnlyIfItSays(t *testing.T) {
	for pod, want := range map[string]bool{"": false, "one": false, "stranger": true} {
		p := twoNodes().Picture()
		k := Knocked{Doors: Doors(p, &p.Services[0], How{HTTP: "/"})}
		for _, door := range k.Doors {
			k.Answers = append(k.Answers, knock.Answer{Door: door.Door, Outcome: knock.OK, Pod: pod})
		}
		r := Judge(p, "shop", "web", []Knocked{k})
		if got := len(r.Findings()) == 2; got != want {
			t.Errorf("pod %q: %+v", pod, r.Attempts)
		}
	}
}

func TestTheVerdictCountsWhatDoesNotAnswer(t *testing.T) {
	for _, tt := range []struct {
		outcomes [2]knock.Outcome
		want     string
	}{
		{[2]knock.Outcome{knock.OK, knock.OK}, "answers everywhere: 2 of 2 attempts"},
		{[2]knock.Outcome{knock.OK, knock.Refused}, "does not answer as it should at 1 of 2 attempts: other nodes answer"},
		{[2]knock.Outcome{knock.TimedOut, knock.TimedOut}, "answers nowhere: the node has reported that it has the rules"},
		{[2]knock.Outcome{knock.Unknown, knock.Unknown}, "nothing was found out"},
	} {
		if got := outcomes(twoNodes().Picture(), tt.outcomes[0], tt.outcomes[1]); !strings.HasPrefix(got.Verdict, tt.want) {
			t.Errorf("%v: got %q, want %q", tt.outcomes, got.Verdict, tt.want)
		}
	}
}

func TestTheTextSaysEachCauseOnceAndNeverBreaksACommand(t *testing.T) {
	for _, width := range []int{80, 200} {
		c := twoNodes()
		c.NodeStates[1].Status.NodePorts = ""
		got := outcomes(c.Picture(), knock.OK, knock.Refused).Text(term.Screen{Width: width})
		assert.Check(t, golden.String(got, fmt.Sprintf("missing-%d.golden", width)))
	}
}

func TestWhereAllIsWellManyNodesAreALine(t *testing.T) {
	c := twoNodes()
	for i := range 30 {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "more-" + string(rune('a'+i))}}
		n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.0.2.100"}}
		c.Nodes = append(c.Nodes, n)
	}
	got := outcomes(c.Picture(), slices.Repeat([]knock.Outcome{knock.OK}, 32)...).Text(term.Screen{Width: 80})
	if strings.Count(got, "\n") != 2 || !strings.Contains(got, "http 30100  32 attempts  ok  at most 32 ms") {
		t.Error(got)
	}
}
