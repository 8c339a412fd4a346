package security

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/install"
)

// What is the victim's, and stands nowhere else: in the names of all that it has, and as the sources that it lets in.
const (
	mark       = "qx7kz"
	markSource = "203.0.113.77"
)

// theirs is a name of the victim's.
func theirs(name string) string { return mark + "-" + name }

// told is all that the other tenant was told, with where it stood.
type told map[string][]byte

func (o told) add(where string, text []byte) {
	if len(text) > 0 {
		o[where] = append(append(o[where], text...), '\n')
	}
}

// HandleWarningHeader implements rest.WarningHandler.
func (o told) HandleWarningHeader(_ int, _ string, text string) { o.add("warnings", []byte(text)) }

// neighbour is a tenant beside the victim: admin of its namespace, and somebody who may view "default", where events of
// objects without a namespace are.
type neighbour struct {
	*testing.T
	client.Client
	config     *rest.Config
	kubeconfig string
	told       told
}

const shop = "outlets-shop"

// The two of them share a pool of 30920-30929; 30950-30959 is the victim's alone, and so is 30970-30979, which only warns.
func TestNothingThatATenantCanReadTellsOfAnother(t *testing.T) {
	victim := theirs("space")
	makeNamespace(t, victim)
	makeNamespace(t, shop)
	shared, own := makePool("outlets-shared", 30920, 30929, shop, victim), makePool(theirs("pool"), 30950, 30959, victim)
	shared.Spec.MaxPortsPerNamespace = new(int32(4))
	put(t, shared)
	put(t, own)
	awaitPool(t, shared)
	awaitPool(t, own)
	settle(t, victim)
	clash(t, victim, 30920)
	breakRules(t, theirs("lax"))

	n := neighbour{T: t, config: bind(t, "neighbour", "admin", shop), kubeconfig: kubeconfigOf(t, "neighbour"), told: told{}}
	bind(t, "neighbour", "view", corev1.NamespaceDefault)
	n.config.WarningHandler, n.config.WarningHandlerWithContext = n.told, nil
	n.Client = clientFor(t, n.config)
	eventually(t, "the neighbour may do what an admin may", func() error {
		return n.Create(t.Context(), &v1alpha1.NodePortReservation{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "probe"},
			Spec: v1alpha1.NodePortReservationSpec{ServiceName: "probe", Ports: []v1alpha1.ReservedPort{{Name: "http"}}}}, client.DryRunAll)
	})
	n.tries(victim)
	n.awaitVerdicts()
	n.readsAll(victim)
	n.asksThePlugin(victim)
	n.told.add("the policy's messages", policyMessages(t))
	wantOnlyPoolsNamed(t, managerMetrics(t))
	if site.node != nil { // with the component node-metrics they are for whoever reaches a node
		n.told.add("node-proxy's metrics", nodeMetrics(t))
	}

	for _, outlet := range []string{"refusals", "warnings", "list of services", "list of events", "list of nodeportreservations", "list of nodeportusages",
		"list of nodeportaccesses", "list of default's events", "kubectl portolan map", "kubectl portolan who 30920", "the policy's messages"} {
		if len(n.told[outlet]) == 0 {
			t.Errorf("it was told nothing by %s", outlet)
		}
	}
	for where, text := range n.told {
		if found := tells(text); found != "" {
			t.Errorf("%s tells of the other tenant: %s", where, found)
		}
	}
}

// tells is the line of a text that has a mark in it, "" if none has.
func tells(text []byte) string {
	for line := range bytes.Lines(text) {
		if bytes.Contains(line, []byte(mark)) || bytes.Contains(line, []byte(markSource)) {
			return string(line)
		}
	}
	return ""
}

// clash has a Pod of the victim take a number that its Service has, as a hostPort of the node, if there is one.
func clash(t *testing.T, victim string, number int32) {
	t.Helper()
	if site.node == nil {
		return
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: victim, Name: theirs("host")}}
	pod.Spec = corev1.PodSpec{NodeName: site.node.NodeName, AutomountServiceAccountToken: new(false), TerminationGracePeriodSeconds: new(int64(0)),
		Containers: []corev1.Container{{Name: "c", Image: "i", Ports: []corev1.ContainerPort{{ContainerPort: 80, HostPort: number}}}}}
	eventually(t, "the namespace takes Pods", func() error { return admin().Create(t.Context(), pod) }) // once it has an account for them
	t.Cleanup(func() {
		if err := admin().Delete(context.Background(), pod, client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
			t.Errorf("tidy up: %v", err)
		}
	})
	awaitEventInDefault(t, site.node.NodeName, "NodePortClash", fmt.Sprint("hostPort TCP ", number))
}

// breakRules has a Service be let through with a number that it may not have, in a namespace of the victim's with a pool that
// only warns. The pool's name is no secret: events name it.
func breakRules(t *testing.T, namespace string) {
	t.Helper()
	makeNamespace(t, namespace)
	pool := makePool("outlets-lax", 30970, 30979, namespace)
	pool.Spec.Enforcement = v1alpha1.EnforcementWarn
	put(t, pool)
	awaitPool(t, pool)
	stray := MakeService(namespace+"/"+theirs("stray")).NodePort(80, 30989).Obj()
	put(t, stray)
	awaitEventInDefault(t, pool.Name, "OutsideRanges", "admitted with a warning")
}

// awaitEventInDefault returns when an object that is in no namespace has such an event.
func awaitEventInDefault(t *testing.T, regarding, reason, note string) {
	t.Helper()
	eventually(t, fmt.Sprint("an event ", reason, " of ", regarding), func() error {
		events := &corev1.EventList{}
		must(t, admin().List(t.Context(), events, client.InNamespace(corev1.NamespaceDefault)))
		for _, e := range events.Items {
			if e.InvolvedObject.Name == regarding && e.Reason == reason && strings.Contains(e.Message, note) {
				return nil
			}
		}
		return fmt.Errorf("there are %d others", len(events.Items))
	})
}

// settle gives the victim something of each kind: numbers in use, held and reserved, of both pools, and who may reach them.
func settle(t *testing.T, victim string) {
	t.Helper()
	web := MakeService(victim+"/"+theirs("web")).NodePort(80, 30920, Named(theirs("http"))).NodePort(81, 30950, Named(theirs("more"))).Label("app", theirs("app")).Obj()
	put(t, web)
	gone := MakeService(victim+"/"+theirs("gone")).NodePort(80, 30921).Obj()
	must(t, admin().Create(t.Context(), gone))
	awaitClaim(t, 30921, func(a *v1alpha1.NodePortAllocation) bool { return a.Spec.ServiceUID != "" })
	must(t, admin().Delete(t.Context(), gone))
	awaitClaim(t, 30921, func(a *v1alpha1.NodePortAllocation) bool { return a.Spec.ServiceUID == "" })
	plan := &v1alpha1.NodePortReservation{ObjectMeta: metav1.ObjectMeta{Namespace: victim, Name: theirs("plan")}}
	plan.Spec.ServiceName, plan.Spec.Ports = theirs("db"), []v1alpha1.ReservedPort{{Name: "sql", NodePort: 30922}}
	put(t, plan)
	access := &v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: victim, Name: theirs("office")}}
	access.Spec.From = []v1alpha1.AccessPeer{{IPBlock: v1alpha1.IPBlock{CIDR: markSource + "/32"}}}
	put(t, access)
	awaitClaim(t, 30922, func(a *v1alpha1.NodePortAllocation) bool { return a.Spec.ReservationName != "" })
}

func awaitClaim(t *testing.T, number int32, is func(*v1alpha1.NodePortAllocation) bool) {
	t.Helper()
	eventually(t, fmt.Sprint("the claim of ", number), func() error {
		claim := &v1alpha1.NodePortAllocation{}
		if err := admin().Get(t.Context(), client.ObjectKey{Name: fmt.Sprint(number)}, claim); err != nil {
			return err
		}
		if !is(claim) {
			return fmt.Errorf("it is %+v", claim.Spec)
		}
		return nil
	})
}

// tries asks for all that is the victim's, and makes trouble for itself.
func (n neighbour) tries(victim string) {
	n.Helper()
	refused := func(svc *corev1.Service) {
		n.Helper()
		err := n.Create(n.Context(), svc)
		if err == nil {
			n.Errorf("%s is taken", svc.Name)
			return
		}
		n.told.add("refusals", []byte(err.Error()))
	}
	for i, number := range []int32{30920, 30921, 30922, 30950, 30951, 31777} {
		refused(MakeService(fmt.Sprintf("%s/taken-%d", shop, i)).NodePort(80, number).Obj())
		reservation := &v1alpha1.NodePortReservation{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: fmt.Sprint("taken-", number)}}
		reservation.Spec.ServiceName, reservation.Spec.Ports = "db", []v1alpha1.ReservedPort{{Name: "sql", NodePort: number}}
		n.must(n.Create(n.Context(), reservation))
	}
	var answers []string
	for _, pool := range []string{theirs("pool"), "unheard-of"} {
		err := n.Create(n.Context(), MakeService(shop+"/pool").NodePort(80, 0).Annotation(v1alpha1.PoolAnnotation, pool).Obj())
		answers = append(answers, strings.ReplaceAll(fmt.Sprint(err), pool, "GUESSED"))
	}
	if answers[0] != answers[1] || !strings.Contains(answers[0], "GUESSED") {
		n.Errorf("a pool of others and one that nobody has do not read alike: %q", answers)
	}
	n.told.add("refusals", []byte(answers[0]))
	refused(MakeService(shop+"/many").NodePort(80, 0, Named("a")).NodePort(81, 0, Named("b")).NodePort(82, 0, Named("c")).NodePort(83, 0, Named("d")).NodePort(84, 0, Named("e")).Obj())
	web := MakeService(shop+"/web").NodePort(80, 0).LocalTraffic().Obj()
	web.Spec.Selector, web.Spec.Ports[0].TargetPort = map[string]string{"app": "web"}, intstr.FromString("nowhere")
	n.must(n.Create(n.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "web", Labels: map[string]string{"app": "web"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}))
	n.must(n.Create(n.Context(), web)) // with warnings
	access := &v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "all"}}
	n.must(n.Create(n.Context(), access))
	for _, object := range []client.Object{
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: victim, Name: "unheard-of"}},
		&v1alpha1.NodePortReservation{ObjectMeta: metav1.ObjectMeta{Namespace: victim, Name: "unheard-of"}},
		&v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: "30920"}},
	} {
		err := n.Get(n.Context(), client.ObjectKeyFromObject(object), object)
		if !apierrors.IsForbidden(err) {
			n.Errorf("it may get %T: %v", object, err)
		}
		n.told.add("refusals", bytes.ReplaceAll(fmt.Append(nil, err), []byte(victim), nil)) // which it has said itself
	}
}

func (n neighbour) must(err error) {
	n.Helper()
	must(n.T, err)
}

// awaitVerdicts returns when each of its reservations has been decided about, and there are events.
func (n neighbour) awaitVerdicts() {
	n.Helper()
	eventually(n.T, "its reservations are decided about", func() error {
		reservations := &v1alpha1.NodePortReservationList{}
		n.must(n.List(n.Context(), reservations, client.InNamespace(shop)))
		for _, r := range reservations.Items {
			if meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ReservationReady) == nil {
				return fmt.Errorf("%s is not", r.Name)
			}
		}
		events := &corev1.EventList{}
		n.must(n.List(n.Context(), events, client.InNamespace(shop)))
		if len(events.Items) < 3 {
			return fmt.Errorf("there are %d events", len(events.Items))
		}
		usages := &v1alpha1.NodePortUsageList{}
		n.must(n.List(n.Context(), usages, client.InNamespace(shop)))
		if len(usages.Items) == 0 {
			return fmt.Errorf("there is no usage")
		}
		return nil
	})
}

// readsAll lists every kind that there is: in its namespace, in "default", in the victim's, and everywhere.
func (n neighbour) readsAll(victim string) {
	n.Helper()
	reader, err := dynamic.NewForConfig(n.config)
	n.must(err)
	resources, err := site.API.Discovery().ServerPreferredResources()
	n.must(err)
	for _, group := range resources {
		version, err := schema.ParseGroupVersion(group.GroupVersion)
		n.must(err)
		for _, r := range group.APIResources {
			if !slices.Contains(r.Verbs, "list") {
				continue
			}
			kind := reader.Resource(version.WithResource(r.Name))
			n.lists("list of all "+r.Name, kind, false)
			if r.Namespaced {
				n.lists("list of "+r.Name, kind.Namespace(shop), true)
				n.lists("list of default's "+r.Name, kind.Namespace(corev1.NamespaceDefault), true)
				n.lists("list of the victim's "+r.Name, kind.Namespace(victim), false)
			}
		}
	}
}

// lists notes what a list has, and where it is forbidden nothing: what it was asked for stands in that answer.
func (n neighbour) lists(what string, kind dynamic.ResourceInterface, own bool) {
	n.Helper()
	list, err := kind.List(n.Context(), metav1.ListOptions{})
	switch {
	case apierrors.IsForbidden(err) || apierrors.IsMethodNotSupported(err) || apierrors.IsNotFound(err):
		return
	case err != nil:
		n.Errorf("%s: %v", what, err)
		return
	case !own:
		n.Errorf("it gets a %s", what)
	}
	for i := range list.Items {
		list.Items[i].SetManagedFields(nil)
	}
	n.told.add(what, text(n.T, list))
}

func text(t *testing.T, list *unstructured.UnstructuredList) []byte {
	t.Helper()
	if len(list.Items) == 0 {
		return nil
	}
	lines, err := json.MarshalIndent(list, "", " ")
	must(t, err)
	return lines
}

// asksThePlugin runs the verbs that read the cluster, and write nothing but text.
func (n neighbour) asksThePlugin(victim string) {
	n.Helper()
	for _, args := range []string{"map", "map -A", "map -n " + shop, "list", "list -A -o wide", "list -A -o yaml", "who 30920 30921 30922 30950 30951",
		"who 30920", "doctor", "export csv -A", "export json -n " + shop, "explain web -n " + shop, "check -n " + shop + " --timeout 1ms", "list -n " + victim, "map -n " + victim} {
		out := plugin(n.T, n.kubeconfig, strings.Fields(args)...)
		if strings.Contains(args, victim) { // which it has said itself
			out = bytes.ReplaceAll(out, []byte(victim), nil)
		}
		n.told.add("kubectl portolan "+args, out)
	}
}

// plugin is all that kubectl portolan says.
func plugin(t *testing.T, kubeconfig string, args ...string) []byte {
	t.Helper()
	path, err := install.Plugin()
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append(args, "--color=always")...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "KUBECONFIG=" + kubeconfig, "COLUMNS=200"}
	out, _ := cmd.CombinedOutput() // 1 and 2 are findings, and what may not be read
	if ctx.Err() != nil {
		t.Fatalf("%v does not end: %s", args, out)
	}
	return out
}

// policyMessages are what the generated policy would answer while no manager does.
func policyMessages(t *testing.T) []byte {
	t.Helper()
	generated := &admissionv1.ValidatingAdmissionPolicy{}
	must(t, admin().Get(t.Context(), client.ObjectKey{Name: "nodeports.portolan.dev"}, generated))
	var all []byte
	for _, v := range generated.Spec.Validations {
		all = append(all, v.Message+"\n"+v.MessageExpression+"\n"...)
	}
	return all
}
