package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func makeAccess(name string, cidrs ...v1alpha1.CIDR) *v1alpha1.NodePortAccess {
	namespace, name, _ := strings.Cut(name, "/")
	object := &v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	for _, cidr := range cidrs {
		object.Spec.From = append(object.Spec.From, v1alpha1.AccessPeer{IPBlock: v1alpha1.IPBlock{CIDR: cidr}})
	}
	return object
}

// wantAccess waits until a NodePortAccess says "NODEPORTS from SOURCES: READY, PROGRAMMED n/m".
func (w *world) wantAccess(object *v1alpha1.NodePortAccess, want string) *v1alpha1.NodePortAccess {
	w.Helper()
	seen := &v1alpha1.NodePortAccess{}
	w.eventually("the status of "+object.Name, func() error {
		if err := w.Get(w.Context(), client.ObjectKeyFromObject(object), seen); err != nil {
			return err
		}
		if got := shownAccess(seen); got != want {
			return fmt.Errorf("got %q, want %q", got, want)
		}
		return nil
	})
	return seen
}

func shownAccess(object *v1alpha1.NodePortAccess) string {
	reason := func(condition string) string {
		c := meta.FindStatusCondition(object.Status.Conditions, condition)
		if c == nil || c.ObservedGeneration != object.Generation {
			return "?"
		}
		return c.Reason
	}
	text := fmt.Sprintf("%s from %s: %s, %s", object.Status.NodePorts, object.Status.Sources, reason(v1alpha1.AccessReady), reason(v1alpha1.AccessProgrammed))
	if nodes := object.Status.Nodes; nodes != nil {
		text += fmt.Sprintf(" %d/%d", nodes.Programmed, nodes.Total)
	}
	return text
}

// guards has a node-proxy report that its guard enforces all up to a version.
func (w *world) guards(p nodeProxy, version string) {
	w.Helper()
	w.must(p.report(w.Context(), v1alpha1.NodePortNodeStateStatus{Mode: v1alpha1.ProxyModeNone, Guard: &v1alpha1.GuardState{AccessResourceVersion: version}}))
}

func TestABadAccessIsRefusedWithItsField(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	for _, tc := range []struct{ name, spec, want string }{
		{"no range of addresses", `{serviceSelector: {}, from: [{ipBlock: {cidr: 10.0.0.0/8}}, {ipBlock: {cidr: office}}]}`,
			`spec.from[1].ipBlock.cidr: Invalid value: "office": must be a range of addresses`},
		{"an address alone", `{serviceSelector: {}, from: [{ipBlock: {cidr: 203.0.113.7}}]}`,
			`spec.from[0].ipBlock.cidr: Invalid value: "203.0.113.7": must be a range of addresses`},
		{"host bits", `{serviceSelector: {}, from: [{ipBlock: {cidr: 203.0.113.7/24}}]}`,
			`spec.from[0].ipBlock.cidr: Invalid value: "203.0.113.7/24": must be a range of addresses with no bit set after its prefix`},
		{"host bits of IPv6", `{serviceSelector: {}, from: [{ipBlock: {cidr: "2001:db8::1/64"}}]}`,
			`spec.from[0].ipBlock.cidr: Invalid value: "2001:db8::1/64": must be a range`},
		{"a bad exception", `{serviceSelector: {}, from: [{ipBlock: {cidr: 10.0.0.0/8, except: [ten]}}]}`,
			`spec.from[0].ipBlock.except[0]: Invalid value: "ten": must be a range`},
		{"an exception elsewhere", `{serviceSelector: {}, from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 192.0.2.0/24]}}]}`,
			`spec.from[0].ipBlock.except: Invalid value: every range of except must lie in cidr`},
		{"an exception of the other family", `{serviceSelector: {}, from: [{ipBlock: {cidr: 0.0.0.0/0, except: ["::/0"]}}]}`,
			`every range of except must lie in cidr`},
		{"addresses of the node", `{serviceSelector: {}, addresses: [192.0.2.1]}`, `spec.addresses[0]: Invalid value: "192.0.2.1": must be a range`},
		{"nobody", `{serviceSelector: {}, from: []}`, `spec.from: Invalid value: 0: spec.from in body should have at least 1 items`},
		{"no rate", `{serviceSelector: {}, newConnections: {perSecond: 0}}`, `spec.newConnections.perSecond: Invalid value: 0`},
		{"no interface", `{serviceSelector: {}, interfaces: ["eth 0"]}`, `spec.interfaces[0]: Invalid value: "eth 0"`},
		{"an interface with a name of more bytes than characters", `{serviceSelector: {}, interfaces: [ääääääää]}`, `spec.interfaces[0]: Invalid value: "ääääääää"`},
		{"an alias of an interface", `{serviceSelector: {}, interfaces: ["eth0:1"]}`, `spec.interfaces[0]: Invalid value: "eth0:1"`},
		{"no Services", `{}`, `spec.serviceSelector: Required value`},
		{"an operator of another kind", `{serviceSelector: {matchExpressions: [{key: app, operator: Near}]}}`,
			`spec.serviceSelector: Invalid value: operator must be In or NotIn with values, or Exists or DoesNotExist without`},
		{"an operator without values", `{serviceSelector: {}, nodeSelector: {matchExpressions: [{key: edge, operator: In}]}}`,
			`spec.nodeSelector: Invalid value: operator must be In or NotIn with values`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			manifest := `{apiVersion: portolan.dev/v1alpha1, kind: NodePortAccess, metadata: {name: bad, namespace: ` + shop + `}, spec: ` + tc.spec + `}`
			out, err := w.kubectl(manifest, "create", "-f", "-")
			if err == nil || !strings.Contains(out, tc.want) {
				t.Errorf("got %v, %s\nwant %s", err, out, tc.want)
			}
		})
	}
}

func TestAnAccessThatSelectsNoNodePortYetIsAdmittedWithAWarning(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(5), serving(shop))
	w.wantAllBound(w.create(makeService(shop+"/web").NodePort(80, 0, Named("http")).Label("app", "web")))
	w.create(makeService(shop+"/inner").Port(80, Named("http")).Label("app", "inner"))
	for _, tt := range []struct {
		name, spec string
		warned     bool
	}{
		{"all Services", `{serviceSelector: {}}`, false},
		{"a Service", `{serviceSelector: {matchLabels: {app: web}}, ports: [http]}`, false},
		{"a slip in the selector", `{serviceSelector: {matchLabels: {app: wbe}}}`, true},
		{"a slip in a port's name", `{serviceSelector: {matchLabels: {app: web}}, ports: [htpt]}`, true},
		{"a Service without node ports", `{serviceSelector: {matchLabels: {app: inner}}}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			manifest := `{apiVersion: portolan.dev/v1alpha1, kind: NodePortAccess, metadata: {name: office, namespace: ` + shop + `}, spec: ` + tt.spec + `}`
			warning := fmt.Sprintf("Warning: it selects no node port of a Service in namespace %q yet: see spec.serviceSelector and spec.ports", shop)
			for _, flags := range [][]string{{"--dry-run=server"}, nil} { // made, and but for the first changed
				if out := w.mustKubectl(manifest, append([]string{"apply", "-f", "-"}, flags...)...); strings.Contains(out, "Warning") != tt.warned || tt.warned && !strings.Contains(out, warning) {
					t.Errorf("got %s", out)
				}
			}
			if out := w.mustKubectl(manifest, "apply", "-f", "-"); strings.Contains(out, "Warning") {
				t.Errorf("where nothing changes it is said again: %s", out)
			}
		})
	}
}

func TestWhatAnAccessLeavesOutIsFilledIn(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	object := makeAccess(shop + "/slowly")
	object.Spec.NewConnections = &v1alpha1.ConnectionRate{PerSecond: 10}
	w.must(w.Create(t.Context(), object))
	if got := object.Spec.NewConnections.Burst; got != 5 {
		t.Errorf("burst is %d, want 5", got)
	}
	for name, cidr := range map[string]v1alpha1.CIDR{"one-address": "203.0.113.7/32", "all-of-ipv4": "0.0.0.0/0", "all-of-ipv6": "::/0", "six": "2001:db8::7/128"} {
		if err := w.Create(t.Context(), makeAccess(shop+"/"+name, cidr)); err != nil {
			t.Errorf("%s: %v", cidr, err)
		}
	}
	full := makeAccess(shop + "/full")
	for i := range 256 {
		block := v1alpha1.IPBlock{CIDR: v1alpha1.CIDR(fmt.Sprintf("2001:db8:%x::/48", i))}
		for n := range 64 {
			block.Except = append(block.Except, v1alpha1.CIDR(fmt.Sprintf("2001:db8:%x:%x::/64", i, n)))
		}
		full.Spec.From = append(full.Spec.From, v1alpha1.AccessPeer{IPBlock: block})
	}
	if err := w.Create(t.Context(), full); err != nil {
		t.Errorf("as many ranges as there may be: %v", err)
	}
}

func TestAnAccessSaysWhatItIsAboutAndHowManyNodesEnforceIt(t *testing.T) {
	w := alone(t)
	w.start(nil)
	proxies := w.withNodeProxies()
	shop, other := w.namespace("shop"), w.namespace("other")
	w.pool("team-a", v1alpha1.PortRange{From: 31100, To: 31199}, serving(shop, other))
	object := makeAccess(shop+"/office", "203.0.113.0/24", "2001:db8::/32")
	object.Spec.ServiceSelector.MatchLabels = map[string]string{"app": "web"}
	object.Spec.Ports = []string{"https"}
	w.must(w.Create(t.Context(), object))
	const from = " from 203.0.113.0/24 and 1 more: "
	w.wantAccess(object, from+"SelectsNothing, NoGuard 0/0")

	ports := func(name string, first int32) *Service {
		return makeService(name).NodePort(80, first, Named("http")).NodePort(443, first+1, Named("https"))
	}
	web := w.create(ports(shop+"/web", 31100).Label("app", "web"))
	w.create(ports(shop+"/db", 31110).Label("app", "db"))
	w.create(ports(other+"/web", 31120).Label("app", "web"))
	w.wantAccess(object, "31101"+from+"Selects, NoGuard 0/0")

	one, two := proxies.on("node-1"), proxies.on("node-2")
	w.guards(one, "") // it cannot read them
	w.serves(two, "") // without a guard
	first := w.wantAccess(object, "31101"+from+"Selects, Programming 0/1")
	w.guards(one, first.Status.SpecResourceVersion)
	w.wantAccess(object, "31101"+from+"Selects, AllNodes 1/1")
	w.guards(two, first.Status.SpecResourceVersion)
	w.wantAccess(object, "31101"+from+"Selects, AllNodes 2/2")

	// Its spec changes; its metadata and what it selects are no change that the nodes would have to report.
	changed := w.wantAccess(object, "31101"+from+"Selects, AllNodes 2/2")
	changed.Spec.Ports = nil
	w.must(w.Update(t.Context(), changed))
	second := w.wantAccess(object, "31100-31101"+from+"Selects, Programming 0/2")
	w.guards(two, second.Status.SpecResourceVersion)
	w.wantAccess(object, "31100-31101"+from+"Selects, Programming 1/2")
	w.guards(one, second.Status.SpecResourceVersion)
	labelled := w.wantAccess(object, "31100-31101"+from+"Selects, AllNodes 2/2")
	labelled.Labels = map[string]string{"new": "label"}
	w.must(w.Update(t.Context(), labelled))
	w.remove(web)
	last := w.wantAccess(object, from+"SelectsNothing, AllNodes 2/2")
	if diff := cmp.Diff(second.Status.SpecResourceVersion, last.Status.SpecResourceVersion); diff != "" {
		t.Errorf("the version of its spec (-before +after)\n%s", diff)
	}

	w.must(w.Delete(t.Context(), makeNodeState(two.node.Name)))
	w.wantAccess(object, from+"SelectsNothing, AllNodes 1/1")
}

func TestKubectlShowsAccess(t *testing.T) {
	w := alone(t)
	w.start(nil)
	proxies := w.withNodeProxies()
	shop := w.namespace("shop")
	w.pool("team-a", v1alpha1.PortRange{From: 31100, To: 31199}, serving(shop))
	w.create(makeService(shop+"/web").NodePort(80, 31100, Named("http")).NodePort(443, 31101, Named("https")).Label("app", "web"))
	office, nobody := makeAccess(shop+"/office", "203.0.113.0/24", "2001:db8::/32"), makeAccess(shop+"/nobodys")
	office.Spec.ServiceSelector.MatchLabels = map[string]string{"app": "web"}
	nobody.Spec.ServiceSelector.MatchLabels = map[string]string{"app": "wbe"}
	w.must(w.Create(t.Context(), office))
	w.must(w.Create(t.Context(), nobody))
	w.guards(proxies.on("node-1"), "0")
	programming := "31100-31101 from 203.0.113.0/24 and 1 more: Selects, Programming 0/1"
	version := w.wantAccess(office, programming).Status.SpecResourceVersion
	w.guards(proxies.on("node-2"), version)
	w.wantAccess(office, strings.Replace(programming, "0/1", "1/2", 1))
	w.eventually("the other one says so too", func() error {
		if err := w.Get(t.Context(), client.ObjectKeyFromObject(nobody), nobody); err != nil || nobody.Status.Nodes == nil || nobody.Status.Nodes.Total != 2 {
			return fmt.Errorf("%+v: %w", nobody.Status, err)
		}
		return nil
	})
	s := &transcript{world: w}
	for _, args := range [][]string{{"get", "npacc"}, {"get", "npacc", "-o", "wide"}} {
		s.note("kubectl "+strings.Join(args, " "), sameEachTime(w.mustKubectl("", append(args, "-n", shop)...)))
	}
	w.golden("access", s.text.String())
}

// Who may open a node port may say who reaches it.
func TestEditorsOfANamespaceWriteAccessAndViewersReadIt(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	for role, want := range map[string]map[string]bool{
		"admin": {"create": true, "patch": true, "delete": true, "get": true, "watch": true},
		"edit":  {"create": true, "patch": true, "delete": true, "get": true, "watch": true},
		"view":  {"create": false, "patch": false, "delete": false, "get": true, "watch": true},
	} {
		user := role + "-" + shop
		w.mustKubectl("", "create", "rolebinding", role, "-n", shop, "--clusterrole", role, "--user", user)
		for verb, may := range want {
			w.eventually(role+" may "+verb, func() error {
				out, _ := w.kubectl("", "auth", "can-i", verb, "nodeportaccesses.portolan.dev", "-n", shop, "--as", user)
				if got := strings.TrimSpace(out) == "yes"; got != may {
					return fmt.Errorf("%s %s: %t, want %t: %s", role, verb, got, may, out)
				}
				return nil
			})
		}
		out, _ := w.kubectl("", "auth", "can-i", "update", "nodeportaccesses.portolan.dev", "--subresource=status", "-n", shop, "--as", user)
		if strings.TrimSpace(out) == "yes" {
			t.Errorf("%s may write its status", role)
		}
	}
}

// A tenant with every right in its namespace writes what it likes into a status, and fools nobody but itself.
func TestWhatOthersWriteIntoTheStatusOfAnAccessIsWrittenOver(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	tenant := w.tenant(shop)
	object := makeAccess(shop+"/office", "203.0.113.0/24")
	w.must(tenant.Create(t.Context(), object))
	var seen *v1alpha1.NodePortAccess
	w.must(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		seen = w.awaitAccess(object)
		seen.Status.NodePorts, seen.Status.Sources = "30000-32767", "everybody"
		return tenant.Status().Update(t.Context(), seen)
	}))
	w.eventually("it is as it was", func() error {
		if err := w.Get(t.Context(), client.ObjectKeyFromObject(object), seen); err != nil || seen.Status.NodePorts != "" || seen.Status.Sources != "203.0.113.0/24" {
			return fmt.Errorf("%q from %q: %w", seen.Status.NodePorts, seen.Status.Sources, err)
		}
		return nil
	})
}

// awaitAccess waits until a NodePortAccess has a status.
func (w *world) awaitAccess(object *v1alpha1.NodePortAccess) *v1alpha1.NodePortAccess {
	w.Helper()
	seen := &v1alpha1.NodePortAccess{}
	w.eventually("it has a status", func() error {
		if err := w.Get(w.Context(), client.ObjectKeyFromObject(object), seen); err != nil || len(seen.Status.Conditions) == 0 {
			return fmt.Errorf("%+v: %w", seen.Status, err)
		}
		return nil
	})
	return seen
}
