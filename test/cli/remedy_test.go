package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/doctor"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/install"
)

// TestDoctorNamesWhatIsBrokenWithACommandThatMendsIt breaks one thing after the other, on what the tests before have left.
func TestDoctorNamesWhatIsBrokenWithACommandThatMendsIt(t *testing.T) {
	d := newSurgery(t)
	t.Run("an installation that works is well", func(t *testing.T) { d.in(t).well() })
	t.Run("a tenant is told what it may not look at", d.tenant)
	t.Run("the manager", d.manager)
	t.Run("the webhooks", d.webhooks)
	t.Run("what the manager keeps in order, while it is away", d.away)
	t.Run("what got by while it was away", d.gotBy)
	t.Run("nodes", d.nodes)
	t.Run("pools", d.pools)
	t.Run("kinds", d.kinds)
	t.Run("a kind that is gone", d.noKind)
}

// surgery breaks things, has them looked at, and mends them.
type surgery struct{ *testing.T }

func (d *surgery) in(t *testing.T) *surgery { return &surgery{t} }

// newSurgery has Pods of the Deployment that are as if they ran, a namespace with a Service, and nothing that the doctor would
// complain about.
func newSurgery(t *testing.T) *surgery {
	d := &surgery{t}
	populate(t)
	must(t, apiextensionsv1.AddToScheme(site.Scheme()))
	must(t, site.DeleteAllOf(t.Context(), &v1alpha1.NodePortAccess{}, client.InNamespace("shop")))
	must(t, client.IgnoreAlreadyExists(site.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "clinic"}})))
	d.command("kubectl -n " + install.Namespace + " scale deployment portolan-controller-manager --replicas=2")
	d.podsRun()
	return d
}

// podsRun does what kubelets would do for the manager's Pods: it runs in this process.
func (d *surgery) podsRun() {
	d.Helper()
	ctx := d.Context()
	eventually(d.T, "the Deployment is ready", func() error {
		var pods corev1.PodList
		must(d.T, site.List(ctx, &pods, client.InNamespace(install.Namespace)))
		for i := range pods.Items {
			pod := &pods.Items[i]
			before := client.MergeFrom(pod.DeepCopy())
			pod.Status.Phase = corev1.PodRunning
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			must(d.T, client.IgnoreNotFound(site.Status().Patch(ctx, pod, before)))
		}
		var deployment appsv1.Deployment
		must(d.T, site.Get(ctx, client.ObjectKey{Namespace: install.Namespace, Name: "portolan-controller-manager"}, &deployment))
		if deployment.Status.ReadyReplicas != 2 {
			return fmt.Errorf("%d replicas are ready", deployment.Status.ReadyReplicas)
		}
		return nil
	})
}

// look runs the doctor.
func (d *surgery) look() ([]doctor.Result, answer) {
	d.Helper()
	got := operator(d.T).run("doctor", "-n", "clinic", "-o", "json")
	var results []doctor.Result
	if err := json.Unmarshal([]byte(got.out), &results); err != nil {
		d.Fatalf("%v: %s", err, got)
	}
	return results, got
}

// well waits until nothing is wrong, but for what is no trouble.
func (d *surgery) well() {
	d.Helper()
	eventually(d.T, "all is well", func() error {
		results, got := d.look()
		if doctor.Troubled(results) || got.code != 0 {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
}

// named waits until a check of the doctor's has a finding with a text, and returns that.
func (d *surgery) named(check, says string) doctor.Finding {
	d.Helper()
	var found doctor.Finding
	eventually(d.T, fmt.Sprintf("%q is found by %s", says, check), func() error {
		results, got := d.look()
		var ok bool
		if found, ok = finding(results, check, says); ok && (found.Severity == doctor.Notice || got.code == 1) {
			return nil
		}
		return fmt.Errorf("%s", got)
	})
	if len(found.Commands) == 0 {
		d.Errorf("%+v has no command", found)
	}
	return found
}

// seen waits until a check of the doctor's has a finding with a text, of which it may be that nothing mends it.
func (d *surgery) seen(check, says string) {
	d.Helper()
	eventually(d.T, fmt.Sprintf("%q is found by %s", says, check), func() error {
		results, got := d.look()
		if _, ok := finding(results, check, says); !ok {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
}

// finding is that of a check with a text.
func finding(results []doctor.Result, check, says string) (doctor.Finding, bool) {
	for _, r := range results {
		for _, f := range r.Findings {
			if r.Check == check && strings.Contains(f.Object+": "+f.Says, says) {
				return f, true
			}
		}
	}
	return doctor.Finding{}, false
}

// command runs a command line as its reader would, in the checkout.
func (d *surgery) command(line string) {
	d.Helper()
	kubectl := site.Kubectl(d.Context())
	cmd := exec.CommandContext(d.Context(), "sh", "-c", line)
	cmd.Dir = install.Repository()
	cmd.Env = append(os.Environ(), "KUBECONFIG="+site.Kubeconfig(),
		"PATH="+strings.Join([]string{filepath.Dir(program), filepath.Dir(kubectl.Path), os.Getenv("PATH")}, ":"))
	if out, err := cmd.CombinedOutput(); err != nil {
		d.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// follow runs the finding's command that begins so.
func (d *surgery) follow(f doctor.Finding, begins string) {
	d.Helper()
	at := slices.IndexFunc(f.Commands, func(c string) bool { return strings.HasPrefix(c, begins) })
	if at < 0 {
		d.Fatalf("no command begins with %q: %+v", begins, f)
	}
	d.command(f.Commands[at])
}

// released follows the advice to release a number, and says yes.
func (d *surgery) released(f doctor.Finding, number string) {
	d.Helper()
	if advice := "kubectl portolan release " + number; !slices.Contains(f.Commands, advice) {
		d.Fatalf("%q is not advised: %+v", advice, f)
	}
	d.command("kubectl portolan release " + number + " --yes")
}

func (*surgery) tenant(t *testing.T) {
	got := tenant(t, "shop").run("doctor", "-n", "shop")
	wantLine(t, got.out, "webhooks", "partial", "answered within")
	wantLine(t, got.out, "conflicts", "partial")
	wantLine(t, got.out, "not seen: deployment/portolan-controller-manager: you may not read it")
	wantLine(t, got.out, "Nothing is wrong in what you may see.", "could not be looked at")
	if got.code != 0 {
		t.Errorf("%s", got)
	}
}

// TestCheckOfATenantSaysWhatItTakes has no nodes, and no packets: those are tested in test/e2e.
func TestCheckOfATenantSaysWhatItTakes(t *testing.T) {
	populate(t)
	shop := tenant(t, "shop")
	if got := shop.run("check", "web", "-n", "shop"); got.code != 2 || !strings.Contains(got.errOut, "say which by --address") {
		t.Errorf("%s", got)
	}
	if got := shop.run("check", "web", "-n", "shop", "--address", "127.0.0.1"); got.code != 1 || !strings.Contains(got.out, "refused") {
		t.Errorf("%s", got)
	}
	if got := shop.run("check", "nobody", "-n", "shop"); got.code != 2 || !strings.Contains(got.errOut, "there is no Service nobody in namespace shop") {
		t.Errorf("%s", got)
	}
}

func (d *surgery) manager(t *testing.T) {
	d = d.in(t)
	d.command("kubectl -n " + install.Namespace + " scale deployment portolan-controller-manager --replicas=0")
	d.seen("manager", "A manager runs outside of the Deployment") // that of these tests
	eventually(t, "its Pods have gone", func() error {
		var pods corev1.PodList
		must(t, site.List(t.Context(), &pods, client.InNamespace(install.Namespace)))
		if len(pods.Items) > 0 {
			return fmt.Errorf("there are %d", len(pods.Items))
		}
		return nil
	})
	d.command("kubectl -n " + install.Namespace + " scale deployment portolan-controller-manager --replicas=2")
	d.named("manager", "None of 2 replicas is ready")
	d.podsRun()
	d.well()
	d.command("kubectl -n " + install.Namespace + " scale deployment portolan-controller-manager --replicas=1")
	single := d.named("manager", "There is a single replica")
	if single.Severity != doctor.Notice {
		t.Errorf("%+v", single)
	}
	d.follow(single, "kubectl -n portolan-system scale")
	d.podsRun()
	d.without(&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: "portolan-controller-manager"}}, func() {
		d.named("manager", "There is no manager in namespace portolan-system")
	})
	d.podsRun()
	d.well()
}

// without takes an object away for as long as f runs. What would bring it back is what it was installed with, which also leads
// the webhooks to a Service of Pods, of which there are none here.
func (d *surgery) without(object client.Object, f func()) {
	d.Helper()
	must(d.T, site.Get(d.Context(), client.ObjectKeyFromObject(object), object))
	again := object.DeepCopyObject().(client.Object)
	must(d.T, site.Delete(d.Context(), object))
	f()
	again.SetResourceVersion("")
	again.SetUID("")
	must(d.T, client.IgnoreAlreadyExists(site.Create(d.Context(), again)))
}

// webhooks are led astray, and taken away.
func (d *surgery) webhooks(t *testing.T) {
	d = d.in(t)
	configuration := &admissionv1.MutatingWebhookConfiguration{}
	must(t, site.Get(t.Context(), client.ObjectKey{Name: "portolan-mutating-webhook-configuration"}, configuration))
	original := configuration.DeepCopy()
	change := func(change func(*admissionv1.MutatingWebhook)) {
		eventually(t, "the configuration is changed", func() error {
			must(t, site.Get(t.Context(), client.ObjectKeyFromObject(original), configuration))
			change(&configuration.Webhooks[0])
			return site.Update(t.Context(), configuration)
		})
	}
	nowhere := "https://localhost:1/mutate--v1-service"
	change(func(w *admissionv1.MutatingWebhook) { w.ClientConfig.URL = &nowhere })
	d.named("webhooks", "does not reach the webhooks")
	change(func(w *admissionv1.MutatingWebhook) { w.FailurePolicy = new(admissionv1.Fail) })
	d.named("webhooks", "gets no answer, so Services with node ports are refused")
	change(func(w *admissionv1.MutatingWebhook) {
		w.FailurePolicy, w.ClientConfig.URL = new(admissionv1.Ignore), nil
		w.ClientConfig.Service = &admissionv1.ServiceReference{Namespace: install.Namespace, Name: "portolan-webhook-service"}
	})
	d.named("webhooks", "It has no ready endpoint")
	must(t, site.Delete(t.Context(), configuration))
	d.named("webhooks", "no Service is given a number of its pools")
	original.ResourceVersion, original.UID = "", ""
	must(t, site.Create(t.Context(), original))
	d.without(&admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "portolan-validating-webhook-configuration"}}, func() {
		d.named("webhooks", "pools and reservations are not checked")
	})
	d.without(&admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "portolan-ledger"}}, func() {
		d.named("policy", "whoever may write allocations by RBAC can take a number")
	})
	d.well()
}

// away breaks, while there is no manager, what it would mend at once.
func (d *surgery) away(t *testing.T) {
	d = d.in(t)
	ctx := t.Context()
	must(t, site.replica.Stop())
	defer d.managerIsBack()
	d.named("manager", "the last one has given the lease back")
	d.command("kubectl -n " + install.Namespace + " scale deployment portolan-controller-manager --replicas=0")
	d.follow(d.named("manager", "scaled to no replica"), "kubectl -n portolan-system scale")
	d.podsRun()
	d.command(`kubectl -n portolan-system patch lease portolan-manager.portolan.dev --type=merge -p '{"spec":{"holderIdentity":"gone","renewTime":"2026-01-01T00:00:00.000000Z"}}'`)
	d.named("manager", "the last one, gone, has not renewed the lease for")
	d.command("kubectl -n portolan-system delete lease portolan-manager.portolan.dev")
	d.named("manager", "No replica has ever led")
	d.certificate()
	d.command(`kubectl patch validatingwebhookconfiguration portolan-validating-webhook-configuration --type=json -p '[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]'`)
	d.named("certificate", "trusts nobody")
	d.command(`kubectl patch npp team-a --type=merge -p '{"spec":{"maxPortsPerService":7}}'`)
	d.named("policy", "not what the pools say now")
	d.command(`kubectl patch validatingadmissionpolicybinding nodeports.portolan.dev --type=merge -p '{"spec":{"validationActions":["Audit"]}}'`)
	d.named("policy", "It does not deny")
	d.command("kubectl delete validatingadmissionpolicybinding nodeports.portolan.dev")
	d.named("policy", "so the policy does nothing")
	d.command("kubectl delete validatingadmissionpolicy nodeports.portolan.dev")
	d.named("policy", "nothing of the pools' rules holds")

	config := rest.CopyConfig(site.Config())
	config.Impersonate.UserName = "system:serviceaccount:portolan-system:portolan-controller-manager" // nobody else may
	manager, err := client.New(config, client.Options{Scheme: site.Scheme()})
	must(t, err)
	leaked := &v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: "30150"}}
	leaked.Spec = v1alpha1.NodePortAllocationSpec{ServiceRef: v1alpha1.ServiceReference{Namespace: "shop", Name: "never"}, PoolName: "team-a",
		Origin: v1alpha1.OriginAutomatic, ClaimTime: new(metav1.NewMicroTime(time.Now().Add(-time.Hour)))}
	must(t, manager.Create(ctx, leaked))
	d.released(d.named("leaks", "which never came"), "30150")
	leaked = leaked.DeepCopy()
	leaked.Name, leaked.ResourceVersion, leaked.UID = "30151", "", ""
	leaked.Spec.ClaimTime, leaked.Spec.HoldUntil = nil, new(metav1.NewTime(time.Now().Add(-time.Hour)))
	must(t, manager.Create(ctx, leaked))
	d.released(d.named("leaks", "It was held until"), "30151")

	// For what got by:
	stray := MakeService("shop/stray").NodePort(80, 31010).Obj()
	stray.Spec.Selector = map[string]string{"app": "stray"}
	must(t, site.Create(ctx, stray))
	twin := MakeService("shop/twin").Type(corev1.ServiceTypeExternalName).NodePort(80, 30100).Obj()
	twin.Spec.ExternalName = "example.com"
	must(t, site.Create(ctx, twin))
	twin.Spec.Type, twin.Spec.ExternalName = corev1.ServiceTypeNodePort, ""
	must(t, site.Update(ctx, twin))
	late := &v1alpha1.NodePortReservation{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "late"}}
	late.Spec = v1alpha1.NodePortReservationSpec{ServiceName: "late", Ports: []v1alpha1.ReservedPort{{Name: "http", NodePort: 30100}}}
	must(t, site.Create(ctx, late))
}

// certificate is taken away, and put in the place of by another, with nobody there to mend it.
func (d *surgery) certificate() {
	d.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: "portolan-webhook-server-cert"}}
	change := func(change func()) {
		must(d.T, site.Get(d.Context(), client.ObjectKeyFromObject(secret), secret))
		change()
		must(d.T, site.Update(d.Context(), secret))
	}
	change(func() { secret.Data[corev1.TLSCertKey] = selfSigned(d.T, time.Now().Add(-time.Hour)) })
	d.named("certificate", "The certificate ended 60m ago")
	change(func() { secret.Data[corev1.TLSCertKey] = selfSigned(d.T, time.Now().Add(10*24*time.Hour+time.Hour)) })
	soon := d.named("certificate", "The certificate ends in 10d")
	d.named("certificate", "does not trust the certificate")
	d.follow(soon, "kubectl -n portolan-system patch secret") // which has the manager make another, when it is back
	d.named("certificate", "tls.crt is empty")
	must(d.T, site.Get(d.Context(), client.ObjectKeyFromObject(secret), secret))
	must(d.T, site.Delete(d.Context(), secret))
	d.follow(d.named("certificate", "It is not there, and the manager, which fills it, may not create it"), "kubectl -n portolan-system create secret")
}

// selfSigned is a certificate that ends then.
func selfSigned(t *testing.T, end time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.Add(-24 * 365 * time.Hour), NotAfter: end, DNSNames: []string{"localhost"}}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

func (d *surgery) managerIsBack() {
	d.Helper()
	var err error
	site.replica, err = site.installation.Start(d.Context(), unhurried)
	must(d.T, err)
}

func (d *surgery) gotBy(t *testing.T) {
	d = d.in(t)
	d.follow(d.named("conflicts", "shop/twin carries it too"), "kubectl -n shop patch service twin")
	d.follow(d.named("services", "service/stray"), "kubectl portolan move stray -n shop --to ")
	d.follow(d.named("services", "service/stray"), "kubectl portolan move stray -n shop   # goes on")
	d.command("kubectl portolan move stray -n shop --yes")
	f := d.named("reservations", "NumberTaken")
	if !slices.Contains(f.Commands, "kubectl portolan who 30100") {
		t.Errorf("%+v", f)
	}
	d.command("kubectl -n shop delete npr late")
	d.well()
}

// nodes say of themselves what is wrong, or nothing.
func (d *surgery) nodes(t *testing.T) {
	d = d.in(t)
	ctx := t.Context()
	office := &v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "office"}}
	office.Spec.From = []v1alpha1.AccessPeer{{IPBlock: v1alpha1.IPBlock{CIDR: "203.0.113.0/24"}}}
	must(t, site.Create(ctx, office))
	d.named("guard", "No node enforces it")
	must(t, site.Delete(ctx, office))
	nothing := &v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "nothing"}}
	nothing.Spec.From, nothing.Spec.Ports = office.Spec.From, []string{"no-port-has-this-name"}
	must(t, site.Create(ctx, nothing))
	if f := d.named("guard", "It does nothing"); f.Severity != doctor.Notice {
		t.Errorf("%+v", f)
	}
	must(t, site.Delete(ctx, nothing))
	d.command(`kubectl patch npp team-a --type=merge -p '{"spec":{"access":{"from":[{"ipBlock":{"cidr":"203.0.113.0/24"}}]}}}'`)
	d.named("guard", "nodeportpool/team-a: It says who may reach its numbers")
	d.command(`kubectl patch npp team-a --type=merge -p '{"spec":{"access":null}}'`)
	d.daemonSet()

	must(t, site.Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "there"}}))
	for _, name := range []string{"there", "gone"} {
		state := &v1alpha1.NodePortNodeState{ObjectMeta: metav1.ObjectMeta{Name: name}}
		must(t, site.Create(ctx, state))
		now := metav1.Now()
		state.Status.Conditions = []metav1.Condition{{Type: v1alpha1.NodeStateReady, Status: metav1.ConditionFalse, LastTransitionTime: now,
			Reason: v1alpha1.NodeStateReasonNotProgrammed, Message: "the kernel said no"}}
		old := metav1.NewTime(now.Add(-4 * time.Hour))
		state.Status.Activity = &v1alpha1.Activity{Since: old, From: old, To: old}
		state.Status.Guard = &v1alpha1.GuardState{}
		state.Status.ClashingNodePorts = "30100"
		state.Status.Clashes = []v1alpha1.Clash{{NodePort: 30100, Protocol: corev1.ProtocolTCP, Kind: v1alpha1.ClashHostListener, Process: "nginx"}}
		must(t, site.Status().Update(ctx, state))
	}
	d.follow(d.named("nodes", "nodeportnodestate/gone: There is no such Node"), "kubectl delete npns gone")
	d.named("nodes", "nodeportnodestate/there: Traffic should not be sent there (NotProgrammed): the kernel said no.")
	d.named("nodes", "has said nothing for 4h")
	d.named("guard", "cannot read who may reach")
	d.follow(d.named("clashes", "is used by process nginx of there"), "kubectl -n shop patch service web")
	for _, tt := range []struct{ conditions, check, says string }{
		{`[]`, "nodes", "The node has never said how it is"},
		{`[{"type":"Ready","status":"False","reason":"NodeLeaving","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]`, "nodes", "The node is about to go"},
		{`[{"type":"GuardCurrent","status":"False","reason":"PodsUnread","message":"Pod: forbidden","lastTransitionTime":"2026-01-01T00:00:00Z"}]`, "guard", "Pod: forbidden"},
	} {
		d.command(`kubectl patch npns there --subresource=status --type=merge -p '{"status":{"conditions":` + tt.conditions + `}}'`)
		d.seen(tt.check, tt.says)
	}
	d.command("kubectl delete npns there; kubectl delete node there")
	d.well()
}

// daemonSet is one whose Pods do not run: there is no kubelet.
func (d *surgery) daemonSet() {
	d.Helper()
	ctx := d.Context()
	must(d.T, client.IgnoreAlreadyExists(site.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "portolan-node"}})))
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "ward"}}
	must(d.T, site.Create(ctx, node))
	state := &v1alpha1.NodePortNodeState{ObjectMeta: metav1.ObjectMeta{Name: "ward"}}
	must(d.T, site.Create(ctx, state))
	labels := map[string]string{"app": "node-proxy"}
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "portolan-node", Name: "portolan-node-proxy"}}
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	set.Spec.Template.Labels = labels
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "node-proxy", Image: "node-proxy"}}
	set.Spec.Template.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	must(d.T, site.Create(ctx, set))
	d.named("nodes", "node-proxy is ready on 0 of 1 node")
	for _, object := range []client.Object{set, state, node} {
		must(d.T, site.Delete(ctx, object))
	}
}

func (d *surgery) pools(t *testing.T) {
	d = d.in(t)
	tiny := &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: "tiny"}}
	tiny.Spec.Ranges = []v1alpha1.PortRange{{From: 32000, To: 32001}}
	tiny.Spec.NamespaceSelector.MatchLabels = map[string]string{corev1.LabelMetadataName: "clinic"}
	must(t, site.Create(t.Context(), tiny))
	eventually(t, "the pool is in force", func() error {
		return site.Create(t.Context(), MakeService("clinic/ward").NodePort(80, 32000, Named("a")).NodePort(81, 32001, Named("b")).Obj())
	})
	full := d.named("pools", "nodeportpool/tiny: All of its 2 numbers are taken")
	d.command(strings.NewReplacer("FROM", "32010", "TO", "32019").Replace(full.Commands[0]))
	d.well()
	d.command(`kubectl patch npp tiny --type=merge -p '{"spec":{"allocation":"None"}}'`)
	if f := d.named("pools", "nodeportpool/tiny: It is draining"); f.Severity != doctor.Notice {
		t.Errorf("%+v", f)
	}
	d.command("kubectl -n clinic delete service ward")
	d.follow(d.named("pools", "nodeportpool/tiny: It is drained"), "kubectl delete npp tiny")
	d.well()
	d.nearlyFull()
	d.overlap()
}

func (d *surgery) nearlyFull() {
	d.Helper()
	pool := &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: "small"}}
	pool.Spec.Ranges = []v1alpha1.PortRange{{From: 32100, To: 32110}}
	pool.Spec.NamespaceSelector.MatchLabels = map[string]string{corev1.LabelMetadataName: "clinic"}
	must(d.T, site.Create(d.Context(), pool))
	beds := MakeService("clinic/beds")
	for n := int32(32100); n < 32110; n++ {
		beds.NodePort(n, n, Named(fmt.Sprint("bed-", n)))
	}
	eventually(d.T, "the pool is in force", func() error { return site.Create(d.Context(), beds.Obj()) })
	nearly := d.named("pools", "nodeportpool/small: It is nearly full: 1 of 11 numbers are left")
	d.command(strings.NewReplacer("FROM", "32111", "TO", "32119").Replace(nearly.Commands[0]))
	d.well()
	must(d.T, site.Delete(d.Context(), beds.Obj()))
}

// overlap gets by while nobody judges pools.
func (d *surgery) overlap() {
	d.Helper()
	second := &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: "second"}}
	second.Spec.Ranges = []v1alpha1.PortRange{{From: 32105, To: 32125}}
	d.without(&admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "portolan-validating-webhook-configuration"}}, func() {
		eventually(d.T, "nobody judges pools", func() error { return site.Create(d.Context(), second) })
	})
	d.named("pools", "nodeportpool/second: It does not work as its spec says (Overlap)")
	d.command("kubectl delete npp second small")
	d.well()
}

func (d *surgery) kinds(t *testing.T) {
	d = d.in(t)
	d.command(`kubectl patch crd nodeportusages.portolan.dev --type=json -p '[{"op":"replace","path":"/spec/versions/0/schema/openAPIV3Schema/description","value":"of another version"}]'`)
	d.named("kinds", "NodePortUsage is of another version")
	d.command("kubectl apply -f config/crd/bases/portolan.dev_nodeportusages.yaml")
	d.well()
}

// noKind takes one away, with all of its objects, of which there are none.
func (d *surgery) noKind(t *testing.T) {
	d = d.in(t)
	d.command("kubectl delete crd nodeportaccesses.portolan.dev")
	d.follow(d.named("kinds", "There is no kind NodePortAccess"), "kubectl create -f config/crd/bases/portolan.dev_nodeportaccesses.yaml")
	d.well()
}
