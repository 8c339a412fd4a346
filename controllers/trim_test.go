package controllers

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/selection"
	"github.com/portolan-dev/portolan/internal/serviceports"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// laden is a Service with all that the API server and others put on it.
func laden(svc *corev1.Service) *corev1.Service {
	svc.UID, svc.ResourceVersion, svc.CreationTimestamp = "u", "7", metav1.NewTime(noon)
	svc.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
	svc.OwnerReferences, svc.Finalizers = []metav1.OwnerReference{{Name: "owner"}}, []string{"example.com/keep"}
	metav1.SetMetaDataAnnotation(&svc.ObjectMeta, corev1.LastAppliedConfigAnnotation, strings.Repeat("x", 1000))
	svc.Spec.Selector = map[string]string{"app": "web"}
	svc.Spec.ClusterIP, svc.Spec.ClusterIPs = "10.0.0.1", []string{"10.0.0.1"}
	svc.Spec.IPFamilies, svc.Spec.IPFamilyPolicy = []corev1.IPFamily{corev1.IPv4Protocol}, new(corev1.IPFamilyPolicySingleStack)
	svc.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
	svc.Status.Conditions = []metav1.Condition{{Type: "example.com/Theirs", Status: metav1.ConditionTrue}}
	return svc
}

func TestATrimmedServiceIsMuchSmaller(t *testing.T) {
	size := func(svc *corev1.Service) int {
		text, err := json.Marshal(svc)
		if err != nil {
			t.Fatal(err)
		}
		return len(text)
	}
	svc := laden(MakeService("shop/web").NodePort(80, 30080).Obj())
	before := size(svc)
	if after := size(TrimService(svc)); after > before/3 {
		t.Errorf("%d of %d bytes are left", after, before)
	}
}

// What is decided about a Service is the same of a trimmed one.
func TestATrimmedServiceIsJudgedAsBefore(t *testing.T) {
	chart := rules.NewChart(v1alpha1.PortRange{From: 30000, To: 30099}, []v1alpha1.NodePortPool{
		poolOn("mine", 0, v1alpha1.PortRange{From: 30000, To: 30009}), poolOn("other", 0, v1alpha1.PortRange{From: 30010, To: 30019}),
	})
	policy := access.NewSelection(&v1alpha1.NodePortAccess{Spec: v1alpha1.NodePortAccessSpec{
		ServiceSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}})
	breached, judged := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		svc := laden(MakeService("shop/web").Obj())
		svc.Labels = rapid.MapOf(rapid.SampledFrom([]string{"app", v1alpha1.ServiceProxyNameLabel}), rapid.SampledFrom([]string{"web", "portolan"})).Draw(t, "labels")
		if name := rapid.SampledFrom([]string{"", "mine", "other"}).Draw(t, "pool"); name != "" {
			svc.Annotations[v1alpha1.PoolAnnotation] = name
		}
		svc.Spec.Type = rapid.SampledFrom([]corev1.ServiceType{corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeClusterIP, corev1.ServiceTypeExternalName}).Draw(t, "type")
		if rapid.Bool().Draw(t, "local") {
			svc.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
			svc.Spec.HealthCheckNodePort = rapid.Int32Range(30000, 30030).Draw(t, "health check")
		}
		if rapid.Bool().Draw(t, "without") {
			svc.Spec.AllocateLoadBalancerNodePorts = new(false)
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "ports") {
			svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Port: int32(80 + i), Protocol: corev1.ProtocolTCP,
				NodePort: rapid.Int32Range(30000, 30030).Draw(t, "number")})
		}
		said := func(svc *corev1.Service) []any {
			q := rules.Question{Service: svc, Namespace: svc.Namespace, Now: noon}
			var breaches []string
			judged++
			for _, b := range rules.LiveBreaches(chart, q) {
				breaches = append(breaches, b.Err.Error())
			}
			if breaches != nil {
				breached++
			}
			return []any{serviceports.Requests(svc), breaches, namesOfNumbers(svc), policy.Selects(svc.Labels),
				selection.Selection{Mode: v1alpha1.ProxyModeLabelled, ProxyName: "portolan"}.Takes(svc), labels.Set(svc.Labels).String(), nameOf(svc), svc.UID, svc.CreationTimestamp}
		}
		want := said(svc.DeepCopy())
		if diff := cmp.Diff(want, said(TrimService(svc))); diff != "" {
			t.Fatalf("(-whole +trimmed):\n%s", diff)
		}
	})
	if breached < judged/10 || breached == judged {
		t.Errorf("%d of %d break a rule", breached, judged)
	}
}

// A condition is patched on what is trimmed: nothing that the cache leaves out may go.
func TestAConditionOfATrimmedServiceIsAllThatIsPatched(t *testing.T) {
	svc := TrimService(laden(MakeService("shop/web").NodePort(80, 30080).Obj()))
	updated := svc.DeepCopy()
	meta.SetStatusCondition(&updated.Status.Conditions, metav1.Condition{Type: allocatedCondition, Status: metav1.ConditionFalse, Reason: "R"})
	patch, err := client.StrategicMergeFrom(svc).Data(updated)
	if err != nil {
		t.Fatal(err)
	}
	var changes map[string]map[string]any
	if err := json.Unmarshal(patch, &changes); err != nil {
		t.Fatal(err)
	}
	for field := range changes["status"] {
		if field != "conditions" && field != "$setElementOrder/conditions" {
			t.Errorf("status.%s is patched: %s", field, patch)
		}
	}
	if len(changes) != 1 || changes["status"]["conditions"] == nil {
		t.Errorf("patched is %s", patch)
	}
}

func TestServicesThatConcernNobodyAreFoundByNoIndex(t *testing.T) {
	marked := MakeService("shop/marked").Port(80).Obj()
	marked.Status.Conditions = []metav1.Condition{{Type: allocatedCondition}}
	for _, c := range []struct {
		name string
		svc  *corev1.Service
		want []string
	}{
		{"without a number", MakeService("shop/api").Port(80).Obj(), nil},
		{"with numbers", MakeService("shop/web").NodePort(80, 30080).NodePort(443, 30443).Obj(), []string{anyNumber, "30080", "30443"}},
		{"with a condition to take away", marked, []string{anyNumber}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, namesOfNumbers(c.svc)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
