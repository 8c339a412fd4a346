package webhooks

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/cli/explain"
	"github.com/portolan-dev/portolan/internal/cli/lint"
	"github.com/portolan-dev/portolan/internal/cli/manifest"
	"github.com/portolan-dev/portolan/internal/cli/wellformed"
	"github.com/portolan-dev/portolan/internal/cli/world"
	"github.com/portolan-dev/portolan/internal/cli/world/worldtest"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/rules/secrecytest"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// apiServer is what the webhooks read: the objects of a cluster.
type apiServer struct {
	client.Reader
	objects world.Objects
}

func (a apiServer) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if ns, ok := into.(*corev1.Namespace); ok && key.Name == secrecytest.Namespace {
		*ns = a.objects.Namespaces[0]
		return nil
	}
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

func (a apiServer) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

// deskOf is admission in a cluster.
func deskOf(t rapid.TB, objects world.Objects) *desk {
	store := &allocator.FakeStore{}
	ledger := allocator.New(store, testingclock.NewFakePassiveClock(secrecytest.Now))
	store.Watchers = []allocator.FakeWatcher{ledger}
	for i := range objects.Pools {
		ledger.PoolSeen(&objects.Pools[i])
	}
	ledger.SetClusterRange(objects.ClusterRange)
	for i := range objects.Services {
		ledger.ServiceSeen(&objects.Services[i])
	}
	for _, a := range objects.Allocations {
		if err := store.Create(context.Background(), a.DeepCopy()); err != nil {
			t.Fatal(err)
		}
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	reader := apiServer{objects: objects}
	return &desk{ledger: ledger, cached: reader, live: reader, events: events.NewFakeRecorder(1000),
		clock: testingclock.NewFakePassiveClock(secrecytest.Now), decoder: admission.NewDecoder(scheme)}
}

// admit passes a Service through both webhooks, one after the other, and returns what its user reads: the refusal, "" for
// none, and the warnings.
func admit(t rapid.TB, d *desk, old, svc *corev1.Service, dryRun bool) (refusal string, warnings []string) {
	request := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		Namespace: svc.Namespace, Name: svc.Name, Operation: admissionv1.Create, DryRun: &dryRun,
	}}
	if old != nil {
		raw, err := yaml.Marshal(old)
		if err == nil {
			raw, err = yaml.YAMLToJSON(raw)
		}
		if err != nil {
			t.Fatal(err)
		}
		request.Operation, request.OldObject.Raw = admissionv1.Update, raw
	}
	ctx := logf.IntoContext(admission.NewContextWithRequest(context.Background(), request), logr.Discard())
	svc = svc.DeepCopy()
	svc.ManagedFields = ownedBy(svc)
	if err := (&serviceDefaulter{d}).Default(ctx, svc); err != nil {
		return ours(t, err), nil
	}
	warnings, err := (&serviceValidator{d}).judge(ctx, svc, old)
	return ours(t, err), warnings
}

// ours is the text of a refusal. Any other error is a fault of the test.
func ours(t rapid.TB, err error) string {
	if err == nil {
		return ""
	}
	if !errors.As(err, new(verdict)) {
		t.Fatal(err)
	}
	return err.Error()
}

// ownedBy is what the API server notes of a user who has set the numbers that are in a Service.
func ownedBy(svc *corev1.Service) []metav1.ManagedFieldsEntry {
	var ports []string
	for _, p := range svc.Spec.Ports {
		number := ""
		if p.NodePort != 0 {
			number = `,"f:nodePort":{}`
		}
		ports = append(ports, fmt.Sprintf(`"k:{\"port\":%d,\"protocol\":\"%s\"}":{"f:port":{}%s}`, p.Port, p.Protocol, number))
	}
	health := ""
	if svc.Spec.HealthCheckNodePort != 0 {
		health = `,"f:healthCheckNodePort":{}`
	}
	fields := fmt.Sprintf(`{"f:spec":{"f:ports":{%s}%s}}`, strings.Join(ports, ","), health)
	return []metav1.ManagedFieldsEntry{{Manager: "kubectl", Operation: metav1.ManagedFieldsOperationUpdate, FieldsV1: metav1.NewFieldsV1(fields)}}
}

// linted is what lint finds in a file with one Service.
func linted(w *world.World, svc *corev1.Service) lint.Report {
	object := &manifest.Object{GroupVersionKind: corev1.SchemeGroupVersion.WithKind("Service"), Namespace: svc.Namespace, Name: svc.Name, File: "web.yaml"}
	return lint.Lint(&manifest.Set{
		Objects: []*manifest.Object{object}, Services: []manifest.Of[*corev1.Service]{{Object: object, Value: svc}},
	}, w, nil)
}

func messages(r lint.Report, severity lint.Severity) []string {
	var texts []string
	for _, f := range r.Findings {
		if f.Severity == severity {
			texts = append(texts, f.Message)
		}
	}
	return texts
}

// asKubectl is errors as an API server answers with them.
func asKubectl(name string, texts []string) string {
	switch len(texts) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("Service %q is invalid: %s", name, texts[0])
	}
	return fmt.Sprintf("Service %q is invalid: [%s]", name, strings.Join(texts, ", "))
}

// compared is what lint found where it, explain and admission say the same of a Service: refusals word for word, and where it
// is admitted every warning of admission. refused says whether it was.
func compared(t rapid.TB, objects world.Objects, old, svc *corev1.Service, dryRun bool) (report lint.Report, refused bool) {
	want, wantWarnings := admit(t, deskOf(t, objects), old, svc, dryRun)
	if errs := wellformed.Errors(svc, old); len(errs) > 0 { // the API server refuses it whatever Portolan says
		want = refusal(rules.Question{Service: svc}, errs).Error()
	}
	report = linted(world.New(objects, secrecytest.Now, true), svc)
	if got := asKubectl(svc.Name, messages(report, lint.Error)); got != want {
		t.Fatalf("lint:      %q\nadmission: %q", got, want)
	}
	account := explain.Manifest(world.New(objects, secrecytest.Now, true), svc)
	if got := asKubectl(svc.Name, account.Answer.Errors); got != want {
		t.Fatalf("explain:   %q\nadmission: %q", got, want)
	}
	if want != "" {
		return report, true
	}
	got := messages(report, lint.Warning)
	for _, text := range wantWarnings {
		if !said(got, text) || !said(account.Answer.Warnings, text) {
			t.Fatalf("admission warns: %q\nlint: %q\nexplain: %q", text, got, account.Answer.Warnings)
		}
	}
	return report, false
}

// What admission refuses lint and explain refuse, word for word, and nothing else, whatever the cluster. secrecytest draws
// pools that overlap, drain, only warn, and have quotas, and numbers in use, held and reserved.
func TestLintAndExplainSayWhatAdmissionSays(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("500"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = checks.Value.Set(checks.DefValue) })
	}
	findings, admitted := map[string]int{}, 0
	rapid.Check(t, func(t *rapid.T) {
		scene := secrecytest.Draw(t)
		objects := worldtest.Objects(scene)
		var old *corev1.Service
		if scene.Question.Old != nil {
			old = &objects.Services[len(objects.Services)-1]
		}
		svc := worldtest.Manifest(scene)
		if rapid.IntRange(0, 3).Draw(t, "plain") > 0 { // most scenes would be refused for their type or their annotation
			svc.Spec.Type, svc.Annotations = corev1.ServiceTypeNodePort, nil
		}
		report, refused := compared(t, objects, old, svc, rapid.Bool().Draw(t, "dry-run"))
		for _, f := range report.Findings {
			findings[f.Rule]++
		}
		if !refused {
			admitted++
		}
	})
	if admitted == 0 {
		t.Error("none was ever admitted")
	}
	for _, reason := range []rules.Reason{rules.ReasonOutsideRanges, rules.ReasonForeignPool, rules.ReasonUnknownPool,
		rules.ReasonDraining, rules.ReasonTooManyPorts, rules.ReasonTaken, rules.ReasonExternalName} {
		if findings[string(reason)] == 0 {
			t.Errorf("%s was never compared", reason)
		}
	}
}

// What is found out only when numbers are claimed is rare among generated clusters.
func TestLintAndExplainSayWhatTheLedgerRefuses(t *testing.T) {
	bound := func(number, namespace string) v1alpha1.NodePortAllocation {
		a := v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: number}}
		a.Spec.ServiceRef, a.Spec.ServiceUID = v1alpha1.ServiceReference{Namespace: namespace, Name: "api"}, "uid"
		return a
	}
	for _, c := range []struct {
		name   string
		quota  int32
		taken  []v1alpha1.NodePortAllocation
		number int32
		want   rules.Reason
	}{
		{"a number to be chosen over the quota", 1, []v1alpha1.NodePortAllocation{bound("30000", secrecytest.Namespace)}, 0, rules.ReasonQuotaExceeded},
		{"a number of the user's over the quota", 1, []v1alpha1.NodePortAllocation{bound("30000", secrecytest.Namespace)}, 30001, rules.ReasonQuotaExceeded},
		{"no number is left", 5, []v1alpha1.NodePortAllocation{bound("30000", "bank"), bound("30001", "bank")}, 0, rules.ReasonExhausted},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: "two"}}
			pool.Spec.Ranges = []v1alpha1.PortRange{{From: 30000, To: 30001}}
			pool.Spec.MaxPortsPerNamespace, pool.Spec.MaxPortsPerService = &c.quota, 32
			objects := world.Objects{
				ClusterRange: v1alpha1.PortRange{From: 30000, To: 32767}, Pools: []v1alpha1.NodePortPool{pool}, Allocations: c.taken,
				Namespaces: []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: secrecytest.Namespace}}},
			}
			for i, a := range c.taken {
				n, _ := allocator.NumberOf(&a)
				objects.Services = append(objects.Services, *MakeService(a.Spec.ServiceRef.Namespace+"/api").NodePort(int32(i+1), n).Obj())
			}
			if len(objects.Services) == 2 { // one Service has both
				objects.Services = []corev1.Service{*MakeService("bank/api").NodePort(1, 30000).NodePort(2, 30001).Obj()}
			}
			for _, dryRun := range []bool{false, true} {
				report, _ := compared(t, objects, nil, MakeService(secrecytest.Namespace+"/web").NodePort(80, c.number).Obj(), dryRun)
				if len(report.Findings) != 1 || report.Findings[0].Rule != string(c.want) {
					t.Errorf("got %v, want %s", report.Findings, c.want)
				}
			}
		})
	}
}

// said says whether a warning is among others. Which numbers are free to be suggested, and which one was chosen, is
// different each time; and a hold that admission gives up is not given up by who only looks, so that counts differ.
func said(texts []string, text string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return withoutNumbers(t) == withoutNumbers(text) })
}

func withoutNumbers(text string) string {
	before, _, _ := strings.Cut(text, "; free now")
	return strings.ReplaceAll(strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, before), " is ", " are ")
}
