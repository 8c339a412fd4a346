package integration

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// transcript is what kubectl prints to a user, step by step.
type transcript struct {
	*world
	text strings.Builder
}

// apply notes what kubectl says to an object.
func (s *transcript) apply(title string, object any, flags ...string) {
	s.Helper()
	manifest, err := yaml.Marshal(object)
	s.must(err)
	out, _ := s.kubectl(string(manifest), append([]string{"apply", "-f", "-"}, flags...)...)
	s.note(title, out)
}

// create is apply for Services.
func (s *transcript) create(title string, svc *Service, flags ...string) {
	s.Helper()
	object := svc.Obj()
	object.APIVersion, object.Kind = "v1", "Service"
	for i := range object.Spec.Ports { // as people write it
		object.Spec.Ports[i].TargetPort.IntVal = object.Spec.Ports[i].Port
	}
	s.apply(title, object, flags...)
}

func (s *transcript) note(title, out string) {
	if s.text.Len() > 0 {
		s.text.WriteString("\n")
	}
	fmt.Fprintf(&s.text, "# %s\n%s", title, out)
}

func twoRanges(r v1alpha1.PortRange) poolOption {
	return func(s *v1alpha1.NodePortPoolSpec) { s.Ranges = append(s.Ranges, r) }
}

func TestEachRefusalSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	w := share(t)
	s := &transcript{world: w}
	shop, other, closed := w.namespace("shop"), w.namespace("other"), w.namespace("closed")
	const year = 31536000
	w.pool("team-a", w.exactly(30100, 30199), twoRanges(w.exactly(30500, 30500)), serving(shop, other), holding(year), withPriority(10))
	small := w.pool("small", w.exactly(30200, 30202), serving(shop), holding(year))
	explicit := w.pool("by-number", w.exactly(30210, 30219), serving(shop), withAllocation(v1alpha1.AllocationExplicit))
	drained := w.pool("drained", w.exactly(30220, 30229), serving(shop), withAllocation(v1alpha1.AllocationNone))
	limited := w.pool("limited", w.exactly(30250, 30254), serving(shop), withAllocation(v1alpha1.AllocationExplicit), limitedTo(2))
	w.pool("theirs", w.exactly(30230, 30239), serving(other))
	w.pool("nothing", w.exactly(30240, 30240), func(p *v1alpha1.NodePortPoolSpec) { p.Ranges = []v1alpha1.PortRange{} }, serving(closed))
	w.awaitVerdict(makeService(closed+"/web").NodePort(80, 30250), true) // what is allowed below is then allowed by the policy too
	web := func() *Service { return makeService(shop + "/web") }
	in := func(pool *v1alpha1.NodePortPool) *Service {
		return web().Annotation(v1alpha1.PoolAnnotation, pool.Name)
	}

	w.wantAllBound(w.create(makeService(shop+"/api").NodePort(80, 30101)))
	w.wantAllBound(w.create(makeService(other+"/secret-project").NodePort(80, 30102)))
	held := w.create(makeService(other+"/former-project").NodePort(80, 30103))
	w.wantAllBound(held)
	w.remove(held)
	w.wantReason(30103, v1alpha1.AllocationReasonHeld)

	s.create("A number outside of the namespace's ranges", web().NodePort(80, 30300))
	s.create("A number of another namespace's pool", web().NodePort(80, 30235))
	s.create("A number outside of the cluster's range", web().NodePort(80, 8080))
	s.create("A number that a Service of the namespace has", web().NodePort(80, 30101))
	s.create("A number that a Service of another namespace has", web().NodePort(80, 30102))
	s.create("A number that is held for another namespace: it reads the same", web().NodePort(80, 30103))
	w.reserve(shop+"/promise", "later", entry("http", 30110))
	s.create("A number that is reserved for another Service of the namespace", web().NodePort(80, 30110))
	s.create("A number that is reserved in another namespace: it reads as any that is taken", makeService(other+"/web").NodePort(80, 30110))
	s.create("Several mistakes at once", web().
		NodePort(80, 30101, Named("http")).NodePort(443, 30300, Named("https")).NodePort(8080, 30301, Named("admin")))
	s.create("A health check's number outside of the ranges", web().LoadBalancer().LocalTraffic().NodePort(80, 0).HealthCheck(30300))
	s.create("A number twice, with one protocol", web().NodePort(80, 30105, Named("a")).NodePort(81, 30105, Named("b")))
	s.create("A number twice, with different ports", web().NodePort(80, 30105, Named("a")).NodePort(81, 30105, Named("b"), UDP))
	s.create("A number for a port and the health check", web().LoadBalancer().LocalTraffic().NodePort(80, 30105).HealthCheck(30105))
	external := web().Type(corev1.ServiceTypeExternalName).NodePort(80, 30105).Obj()
	external.APIVersion, external.Kind, external.Spec.ExternalName = "v1", "Service", "example.com"
	s.apply("A number on an ExternalName Service", external)
	s.create("A pool that serves others", web().Annotation(v1alpha1.PoolAnnotation, "theirs").NodePort(80, 0))
	s.create("A pool that does not exist: it reads the same", web().Annotation(v1alpha1.PoolAnnotation, "no-such-pool").NodePort(80, 0))
	s.create("A number that is not in the pool of the annotation", in(small).NodePort(80, 30105))
	s.create("A number of a pool that is draining", web().NodePort(80, 30225))
	s.create("A pool that is draining", in(drained).NodePort(80, 0))
	s.create("A number of a pool that wants explicit numbers: it is allowed", makeService(shop+"/explicit").NodePort(80, 30210))
	s.create("A pool that wants explicit numbers, asked by its name: it is allowed", makeService(shop+"/by-name").
		Annotation(v1alpha1.PoolAnnotation, explicit.Name).NodePort(80, 30211))
	many := web()
	for i := range int32(33) {
		many.NodePort(1000+i, 0, Named(fmt.Sprintf("p%d", i)))
	}
	s.create("More ports than a Service may have", many)
	s.create("A namespace that may not use node ports", makeService(closed+"/web").NodePort(80, 30105))
	s.create("A namespace that may not use node ports, without a number", makeService(closed+"/web").NodePort(80, 0))

	s.create("More ports than the pool has left", in(small).
		NodePort(80, 0, Named("a")).NodePort(81, 0, Named("b")).NodePort(82, 0, Named("c")).NodePort(83, 0, Named("d")))
	for i := range int32(3) {
		w.wantAllBound(w.create(makeService(fmt.Sprintf("%s/small-%d", shop, i)).NodePort(80, 30200+i)))
	}
	s.create("A full pool", in(small).NodePort(80, 0))
	w.remove(w.fetch(makeService(shop + "/small-1").Obj()))
	w.wantReason(30201, v1alpha1.AllocationReasonHeld)
	s.create("Too few numbers in a full pool with a hold", in(small).NodePort(80, 0, Named("a")).NodePort(81, 0, Named("b")))
	s.create("A dry-run is refused just so", web().NodePort(80, 30300), "--dry-run=server")
	s.create("A hold of the namespace is taken over", web().NodePort(80, 30201))
	w.wantAllBound(w.fetch(web().Obj()))
	w.remove(w.fetch(makeService(shop + "/small-2").Obj()))
	w.wantReason(30202, v1alpha1.AllocationReasonHeld)
	s.create("A full pool gives up a hold", makeService(shop+"/late").Annotation(v1alpha1.PoolAnnotation, small.Name).NodePort(80, 0))
	s.create("More numbers than a namespace may have", makeService(shop+"/greedy").Annotation(v1alpha1.PoolAnnotation, limited.Name).
		NodePort(80, 0, Named("a")).NodePort(81, 0, Named("b")).NodePort(82, 0, Named("c")))
	w.wantAllBound(w.create(makeService(shop+"/modest").NodePort(80, 30251)))
	s.create("One more than a namespace may have, an explicit one", makeService(shop+"/greedy").
		NodePort(80, 30252, Named("a")).NodePort(81, 30253, Named("b")))
	s.create("And on a dry-run", makeService(shop+"/greedy").
		NodePort(80, 30252, Named("a")).NodePort(81, 30253, Named("b")), "--dry-run=server")
	s.create("A change to a number outside of the ranges", web().NodePort(80, 30300))
	w.golden("refusals", s.text.String())
}

func TestEachRefusalOfAPoolSaysWhatIsWrong(t *testing.T) {
	w := share(t)
	s := &transcript{world: w}
	shop := w.namespace("shop")
	w.pool("team-a", w.exactly(30300, 30309), serving(shop))
	pool := func(from, to int32, options ...poolOption) *v1alpha1.NodePortPool {
		p := makePool(w.nameLike("team-b"), v1alpha1.PortRange{From: from, To: to}, options...)
		p.APIVersion, p.Kind = v1alpha1.GroupVersion.String(), "NodePortPool"
		return p
	}
	s.apply("Numbers of another pool", pool(30305, 30315))
	s.apply("Numbers outside of the cluster's range", pool(29990, 30010))
	s.apply("A range that ends before it begins", pool(30320, 30310))
	s.apply("Ranges that overlap", pool(30310, 30319, twoRanges(v1alpha1.PortRange{From: 30315, To: 30320})))
	s.apply("A selector that says nothing", pool(30310, 30319, func(p *v1alpha1.NodePortPoolSpec) {
		p.NamespaceSelector.MatchLabels = map[string]string{"not a label": "x"}
	}))
	w.golden("pool-refusals", s.text.String())
}

func TestEachWarningSaysWhatIsUnusual(t *testing.T) {
	w := share(t)
	s := &transcript{world: w}
	shop, other := w.namespace("shop"), w.namespace("other")
	warn := func(p *v1alpha1.NodePortPoolSpec) { p.Enforcement = v1alpha1.EnforcementWarn }
	w.pool("team-a", w.exactly(30400, 30409), serving(shop), warn)
	w.pool("theirs", w.exactly(30410, 30419), serving(other), warn)
	w.pool("drained", w.exactly(30420, 30429), serving(shop), withAllocation(v1alpha1.AllocationNone), warn)
	s.create("A number outside of the ranges", makeService(shop+"/outside").NodePort(80, 30411))
	s.create("A number of a pool that is draining", makeService(shop+"/drained").NodePort(80, 30421))
	many := makeService(shop + "/many")
	for i := range int32(33) {
		many.NodePort(1000+i, 0, Named(fmt.Sprintf("p%d", i)))
	}
	s.create("More ports than a Service may have", many, "--dry-run=server")
	web := w.create(makeService(shop+"/former").NodePort(80, 30400))
	w.wantAllBound(web)
	w.remove(web)
	w.wantReason(30400, v1alpha1.AllocationReasonHeld)
	s.create("A hold of the namespace is taken over", makeService(shop+"/web").NodePort(80, 30400))
	w.golden("warnings", s.text.String())
}

func TestWhatWasThereBeforeIsExplained(t *testing.T) {
	w := alone(t)
	s := &transcript{world: w}
	shop := w.namespace("shop")
	const office = "office-of-two" // the number that a command names depends on the Service's whole name
	w.namespaceOfName(office)
	older := w.pool("older", v1alpha1.PortRange{From: 31100, To: 31109}, serving("nobody"))
	w.ageOf(older)
	w.pool("team-a", v1alpha1.PortRange{From: 31105, To: 31119}, serving(shop))
	old := makeService(shop+"/old").Type(corev1.ServiceTypeExternalName).NodePort(80, 31110).Obj()
	old.Spec.ExternalName = "example.com"
	w.must(w.Create(t.Context(), old))
	w.create(makeService(shop+"/outside").NodePort(80, 34000))
	w.pool("team-b", v1alpha1.PortRange{From: 31120, To: 31129}, serving(office))
	first := w.create(makeService(office+"/first").NodePort(80, 31121))
	w.ageOf(first)
	w.throughTheHole(office+"/second", 31121)
	w.start(nil)
	w.wantLedger(shop, ledger{34000: "outside Bound Adopted"})
	w.wantLedger(office, ledger{31121: "first Bound Adopted team-b"})

	out, _ := w.kubectl("", "patch", "service", "old", "-n", shop, "--type=merge",
		"-p", `{"spec":{"type":"NodePort","externalName":null,"ports":[{"port":80,"nodePort":31110}]}}`)
	s.note("A number is kept on leaving ExternalName", out)
	s.create("A pool whose numbers are an older pool's", makeService(shop+"/web").NodePort(80, 0))
	for _, name := range []string{shop + "/outside", office + "/first", office + "/second"} {
		svc := w.fetch(makeService(name).Obj())
		reason := reasonConflict
		if svc.Namespace == shop {
			reason = reasonMisplaced
		}
		message := w.wantTrouble(svc, reason)
		s.note("The condition of Service "+svc.Name, message+"\n")
		if advice := w.wantEvent(svc, reason, message); advice != "" {
			s.note("Its event goes on", advice+"\n")
		}
	}
	w.golden("troubles", s.text.String())
}
