package integration

import (
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// What differs each time in kubectl's tables. Widths of columns differ with it.
var (
	ages   = regexp.MustCompile(`(?m)\b\d+s( |$)`)
	times  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	widths = regexp.MustCompile(` {2,}`)
)

func sameEachTime(table string) string {
	table = ages.ReplaceAllString(table, "<age>$1")
	table = times.ReplaceAllString(table, "<time>")
	return widths.ReplaceAllString(table, "  ")
}

func TestKubectlShowsPoolsAndNumbers(t *testing.T) {
	w := alone(t)
	w.start(nil)
	shop, other := w.namespace("shop"), w.namespace("other")
	teamA := w.pool("team-a", v1alpha1.PortRange{From: 31100, To: 31199}, twoRanges(v1alpha1.PortRange{From: 31500, To: 31500}), serving(shop))
	teamB := w.pool("team-b", v1alpha1.PortRange{From: 31200, To: 31200}, serving(other))
	w.wantAllBound(w.create(makeService(shop+"/web").NodePort(80, 31100)))
	w.wantAllBound(w.create(makeService(shop+"/dns").NodePort(53, 31101, Named("tcp")).NodePort(53, 31101, Named("udp"), UDP)))
	w.wantAllBound(w.create(makeService(other+"/api").NodePort(80, 0)))
	gone := w.create(makeService(shop+"/gone").NodePort(80, 31500))
	w.wantAllBound(gone)
	w.remove(gone)
	w.wantCounts(teamA, v1alpha1.PoolPorts{Total: 101, Bound: 2, Held: 1, Free: 98})
	w.wantCounts(teamB, v1alpha1.PoolPorts{Total: 1, Bound: 1})
	for n, reason := range map[int32]string{31100: v1alpha1.AllocationReasonInUse, 31101: v1alpha1.AllocationReasonInUse,
		31200: v1alpha1.AllocationReasonInUse, 31500: v1alpha1.AllocationReasonHeld} {
		w.wantReason(n, reason)
	}

	s := &transcript{world: w}
	for _, args := range [][]string{
		{"get", "npp,npa"},
		{"get", "npp,npa", "-o", "wide"},
		{"get", "portolan"},
		{"get", "npa", "--field-selector", "spec.serviceRef.namespace=" + shop},
		{"get", "npa", "--field-selector", "spec.poolName=" + teamB.Name},
	} {
		title := "kubectl"
		for _, arg := range args {
			title += " " + arg
		}
		s.note(title, sameEachTime(w.mustKubectl("", args...)))
	}
	w.golden("tables", s.text.String())
}

func TestKubectlShowsNodes(t *testing.T) {
	w := alone(t)
	w.start(nil)
	shop := w.namespace("shop")
	w.pool("team-a", v1alpha1.PortRange{From: 31100, To: 31199}, serving(shop), givingTo("portolan"))
	proxies := w.withNodeProxies()
	condition := func(name string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: name, Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.Now()}
	}
	status := v1alpha1.NodePortNodeStateStatus{
		Mode: v1alpha1.ProxyModeLabelled, ServiceProxyName: "portolan", ProxyVersion: "v0.1.0", Addresses: []string{"192.0.2.1", "2001:db8::1"},
		Services: 1, Ports: 2, NodePorts: "31100-31101", LastSync: &v1alpha1.LastSync{Time: metav1.Now(), Milliseconds: 3},
		Conditions: []metav1.Condition{condition(v1alpha1.NodeStateReady, metav1.ConditionTrue, v1alpha1.NodeStateReasonServing, ""),
			condition(v1alpha1.NodeStateProgrammed, metav1.ConditionTrue, v1alpha1.NodeStateReasonInSync, "")},
	}
	w.must(proxies.on("node-1").report(t.Context(), status))
	status.Addresses, status.Ports, status.NodePorts, status.LastSync = []string{"192.0.2.2"}, 1, "31100", nil
	status.Conditions = []metav1.Condition{condition(v1alpha1.NodeStateReady, metav1.ConditionFalse, v1alpha1.NodeStateReasonNotProgrammed, ""),
		condition(v1alpha1.NodeStateProgrammed, metav1.ConditionFalse, v1alpha1.NodeStateReasonFailing, "no buffer space available")}
	w.must(proxies.on("node-2").report(t.Context(), status))
	w.wantAllBound(w.create(makeService(shop+"/web").NodePort(80, 31100, Named("http")).NodePort(443, 31101, Named("https"))))
	w.wantProgrammed(31100, "2/2 "+byAllNodes)
	w.wantProgrammed(31101, "1/2 Programming: 1 of 2 nodes have the number; not yet: node-2")
	s := &transcript{world: w}
	for _, args := range [][]string{{"get", "npns"}, {"get", "npns", "-o", "wide"}, {"get", "npa", "-o", "wide"}} {
		s.note("kubectl "+strings.Join(args, " "), sameEachTime(w.inTestsWords(w.mustKubectl("", args...))))
	}
	w.golden("nodes", s.text.String())
}

func TestKubectlShowsReservationsAndUsage(t *testing.T) {
	w := share(t)
	shop, other := w.namespace("shop"), w.namespace("other")
	teamA := w.pool("team-a", w.exactly(30630, 30639), twoRanges(w.exactly(30650, 30650)), serving(shop, other), limitedTo(4))
	teamB := w.pool("team-b", w.exactly(30640, 30649), serving(shop))
	api := w.create(makeService(other+"/api").NodePort(80, 30635))
	w.wantAllBound(api)
	w.reserve(shop+"/kept", "web", entry("http", 30631), entry("admin", 30632), healthCheck(30633))
	w.wantReservation(w.promise(shop+"/taken", "db", entry("sql", 30635)), v1alpha1.ReservationReasonNumberTaken)
	reservations := `{apiVersion: portolan.dev/v1alpha1, kind: NodePortReservation, metadata: {name: applied, namespace: ` + shop + `},
		spec: {serviceName: cache, ports: [{name: tcp, nodePort: 30640}]}}`
	s := &transcript{world: w}
	for range 2 { // the second finds nothing to change: no other manager has any of its fields
		s.note("kubectl apply --server-side", w.mustKubectl(reservations, "apply", "--server-side", "--field-manager=gitops", "-f", "-"))
		w.wantReservation(makeReservation(shop+"/applied", "cache"), v1alpha1.ReservationReasonReserved)
		s.note("kubectl diff", w.mustKubectl(reservations, "diff", "--server-side", "--field-manager=gitops", "-f", "-"))
	}
	w.wantUsage(shop, teamA, "WithinLimit 3 of 4 [30631 30632 30633]")
	w.wantUsage(shop, teamB, "WithinLimit 1 of ? [30640]")
	for _, args := range [][]string{{"get", "npr,npu"}, {"get", "npr,npu", "-o", "wide"}} {
		s.note("kubectl "+strings.Join(args, " "), sameEachTime(w.mustKubectl("", append(args, "-n", shop)...)))
	}
	w.golden("reservations", s.text.String())
}

func TestKubectlExplainsTheKinds(t *testing.T) {
	w := share(t)
	s := &transcript{world: w}
	for _, field := range []string{"npp.spec", "npa.spec", "npr.spec", "npr.status", "npu.status", "npns.status", "npacc.spec", "npacc.status"} {
		s.note("kubectl explain "+field, w.mustKubectl("", "explain", field, "--cache-dir", t.TempDir()))
	}
	w.golden("explain", s.text.String())
}
