package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/admissionpolicy"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
	"github.com/portolan-dev/portolan/internal/cli/term"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// errRefusal is what a webhook that is there answers.
var errRefusal = errors.New(`admission webhook "mservice.portolan.dev" denied the request: metadata.annotations[portolan.dev/pool]: Invalid value: "x": not a pool of namespace "default": it has none`)

// wanted are read once: that takes a while.
var wanted = sync.OnceValues(wantedDefinitions)

// certificateOf makes an authority that is its own server, which ends then.
func certificateOf(t *testing.T, end time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.Add(-365 * 24 * time.Hour), NotAfter: end, IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{"portolan-webhook-service.portolan-system.svc"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

// healthy is an installation with a pool, a Service and a node, all of which is as it should be.
func healthy(t *testing.T) *patient {
	t.Helper()
	site := picturetest.New().Pool("team-a", "30100-30199", "shop").Bound(30100, "shop/web").Node("node-1", "30100")
	site.Namespaces = []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{corev1.LabelMetadataName: "shop"}}}}
	state := &site.NodeStates[0].Status
	state.Conditions = []metav1.Condition{{Type: v1alpha1.NodeStateReady, Status: metav1.ConditionTrue}, {Type: v1alpha1.NodeStateGuardCurrent, Status: metav1.ConditionTrue}}
	state.Activity = &v1alpha1.Activity{To: picturetest.Ago(time.Hour)}
	site.Pools[0].Status.Conditions = []metav1.Condition{{Type: v1alpha1.PoolReady, Status: metav1.ConditionTrue, Reason: v1alpha1.PoolReasonAvailable}}

	bundle := certificateOf(t, picturetest.Now.Add(300*24*time.Hour))
	called := admissionv1.WebhookClientConfig{CABundle: bundle, Service: &admissionv1.ServiceReference{Name: serviceName, Namespace: "portolan-system"}}
	p := &patient{T: t, site: site, Cluster: &Cluster{Namespace: "portolan-system"}}
	var err error
	if p.Wanted, err = wanted(); err != nil {
		t.Fatal(err)
	}
	definitions := make([]apiextensionsv1.CustomResourceDefinition, len(p.Wanted))
	for i := range definitions {
		p.Wanted[i].DeepCopyInto(&definitions[i])
		definitions[i].Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue}}
	}
	p.Definitions.Object = &definitions
	p.Deployment.Object = &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: new(int32(2))}, Status: appsv1.DeploymentStatus{ReadyReplicas: 2}}
	p.Lease.Object = &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{HolderIdentity: new("replica-1"), LeaseDurationSeconds: new(int32(15)), RenewTime: new(metav1.NewMicroTime(picturetest.Now))}}
	p.Mutating.Object = &admissionv1.MutatingWebhookConfiguration{Webhooks: []admissionv1.MutatingWebhook{{Name: "mservice.portolan.dev", FailurePolicy: new(admissionv1.Ignore), ClientConfig: called}}}
	p.Validating.Object = &admissionv1.ValidatingWebhookConfiguration{Webhooks: []admissionv1.ValidatingWebhook{{Name: "vservice.portolan.dev", FailurePolicy: new(admissionv1.Ignore), ClientConfig: called}}}
	p.Endpoints.Object = &[]discoveryv1.EndpointSlice{{Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}}}}}
	p.Asked = Answer{Namespace: "default", Err: errRefusal, Took: 3 * time.Millisecond}
	p.Secret.Object = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: secretName}, Data: map[string][]byte{corev1.TLSCertKey: bundle}}
	p.PolicyBinding.Object = &admissionv1.ValidatingAdmissionPolicyBinding{Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}}}
	p.LedgerBinding.Object = &admissionv1.ValidatingAdmissionPolicyBinding{}
	p.DaemonSet.Object = &appsv1.DaemonSet{Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 1, NumberReady: 1}}
	p.compile(t)
	return p
}

// patient is an installation under construction.
type patient struct {
	*testing.T
	*Cluster
	site *picturetest.Cluster
}

// compile has the policy say what the pools say now.
func (p *patient) compile(t *testing.T) {
	t.Helper()
	now := p.site.Picture()
	applied, _ := admissionpolicy.Compile(now.Chart(), now.Pools, admissionpolicy.Options{})
	text, err := json.Marshal(applied)
	p.Policy.Object = &admissionv1.ValidatingAdmissionPolicy{}
	if err = errors.Join(err, json.Unmarshal(text, p.Policy.Object)); err != nil {
		t.Fatal(err)
	}
}

func (p *patient) examine() []Result {
	p.Picture = p.site.Picture()
	return Examine(p.Cluster)
}

func TestWhatIsAsItShouldBeHasNoFindings(t *testing.T) {
	for _, r := range healthy(t).examine() {
		if len(r.Findings)+len(r.Unseen) > 0 || r.Summary == "" {
			t.Errorf("%+v", r)
		}
	}
}

// condition puts one into a list.
func condition(kind, reason, message string, status metav1.ConditionStatus) []metav1.Condition {
	return []metav1.Condition{{Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: picturetest.Ago(time.Hour)}}
}

func TestEachThingThatIsBrokenIsNamedOnce(t *testing.T) {
	long := picturetest.Ago(time.Hour)
	for _, tt := range []struct {
		name    string
		broken  func(*patient)
		check   string
		says    string
		command string
		notice  bool
	}{
		{"a kind is not there", func(p *patient) { *p.Definitions.Object = (*p.Definitions.Object)[1:] }, "kinds", "There is no kind NodePortAccess", "kubectl create -f config/crd/bases/portolan.dev_nodeportaccesses.yaml", false},
		{"a kind is not served", func(p *patient) { (*p.Definitions.Object)[0].Status.Conditions = nil }, "kinds", "does not serve NodePortAccess yet", "kubectl describe crd/nodeportaccesses.portolan.dev", false},
		{"a kind is of an older version", func(p *patient) {
			delete((*p.Definitions.Object)[0].Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["status"].Properties, "conditions")
		}, "kinds", "what is installed seems to be the older one, as it does not have v1alpha1.status.conditions", "kubectl -n portolan-system get deployment", true},
		{"a kind is of a newer version", func(p *patient) {
			(*p.Definitions.Object)[0].Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties["colour"] = apiextensionsv1.JSONSchemaProps{Type: "string"}
		}, "kinds", "this kubectl portolan seems to be the older one, as it does not know v1alpha1.spec.colour", "kubectl -n portolan-system get deployment", true},
		{"a kind is of another version", func(p *patient) {
			(*p.Definitions.Object)[0].Spec.Versions[0].Schema.OpenAPIV3Schema.Description = "another"
		}, "kinds", "either may be the older one", "kubectl -n portolan-system get deployment", true},
		{"there is no manager", func(p *patient) { p.Deployment.Object = nil }, "manager", "There is no manager", "kubectl get deployments -A", false},
		{"a replica is not ready", func(p *patient) { p.Deployment.Object.Status.ReadyReplicas = 1 }, "manager", "1 of 2 replicas are ready", "kubectl -n portolan-system describe pods", false},
		{"there is a single replica", func(p *patient) {
			p.Deployment.Object.Spec.Replicas, p.Deployment.Object.Status.ReadyReplicas = new(int32(1)), 1
		}, "manager", "single replica", "kubectl -n portolan-system scale", true},
		{"a manager runs outside of the Deployment", func(p *patient) {
			p.Deployment.Object.Spec.Replicas, p.Deployment.Object.Status.ReadyReplicas, *p.Endpoints.Object = new(int32(0)), 0, nil
		}, "manager", "outside of the Deployment, which is scaled to no replica: the webhooks answer, and replica-1 leads", "", true},
		{"nobody has led", func(p *patient) { p.Lease.Object = nil }, "manager", "No replica has ever led", "kubectl -n portolan-system logs", false},
		{"the leader is silent", func(p *patient) { p.Lease.Object.Spec.RenewTime = &metav1.MicroTime{Time: long.Time} }, "manager", "replica-1, has not renewed the lease for 60m", "kubectl -n portolan-system logs", false},
		{"the leader has gone", func(p *patient) { p.Lease.Object.Spec.HolderIdentity = new("") }, "manager", "given the lease back", "kubectl -n portolan-system logs", false},
		{"a configuration is not there", func(p *patient) { p.Validating.Object = nil }, "webhooks", "It is not there", "kubectl get mutatingwebhookconfigurations", false},
		{"no replica is an endpoint", func(p *patient) { *p.Endpoints.Object = nil }, "webhooks", "no ready endpoint", "kubectl -n portolan-system get pods,endpointslices", false},
		{"Services go past", func(p *patient) { p.Asked.Err = nil }, "webhooks", "Services go past them", "kubectl -n portolan-system logs", false},
		{"only the policy refuses", func(p *patient) {
			p.Asked.Err = errors.New(`ValidatingAdmissionPolicy 'nodeports.portolan.dev' with binding 'nodeports.portolan.dev' denied request: not a pool of namespace "default"`)
		}, "webhooks", "Services go past them", "kubectl -n portolan-system logs", false},
		{"Services are refused", func(p *patient) {
			p.Asked.Err = errors.New(`Internal error occurred: failed calling webhook "mservice.portolan.dev": connection refused`)
		}, "webhooks", "connection refused", "kubectl -n portolan-system logs", false},
		{"the certificate has ended", func(p *patient) { p.Secret.Object.Data[corev1.TLSCertKey] = p.renewed(-time.Hour) }, "certificate", "ended 60m ago", "kubectl -n portolan-system patch secret", false},
		{"the certificate ends soon", func(p *patient) { p.Secret.Object.Data[corev1.TLSCertKey] = p.renewed(10 * 24 * time.Hour) }, "certificate", "ends in 10d", "kubectl -n portolan-system patch secret", false},
		{"there is no certificate", func(p *patient) { p.Secret.Object.Data = nil }, "certificate", "tls.crt is empty", "kubectl -n portolan-system patch secret", false},
		{"the certificate is cert-manager's", func(p *patient) {
			p.Secret.Object.Name, p.Secret.Object.Data = certManagerName, nil
		}, "certificate", "tls.crt is empty", "kubectl -n portolan-system describe certificates", false},
		{"there is no Secret", func(p *patient) { p.Secret.Object = nil }, "certificate", "It is not there", "kubectl -n portolan-system create secret generic portolan-webhook-server-cert", false},
		{"a webhook trusts another", func(p *patient) {
			p.Mutating.Object.Webhooks[0].ClientConfig.CABundle = certificateOf(p.T, picturetest.Now.Add(time.Hour))
		}, "certificate", "Webhook mservice.portolan.dev does not trust the certificate", "kubectl -n portolan-system rollout restart", false},
		{"a webhook trusts nobody", func(p *patient) { p.Mutating.Object.Webhooks[0].ClientConfig.CABundle = nil }, "certificate", "trusts nobody", "kubectl -n portolan-system rollout restart", false},
		{"the policy is not there", func(p *patient) { p.Policy.Object = nil }, "policy", "nothing of the pools' rules holds", "kubectl -n portolan-system logs", false},
		{"the policy is not bound", func(p *patient) { p.PolicyBinding.Object = nil }, "policy", "so the policy does nothing", "kubectl -n portolan-system logs", false},
		{"the policy does not deny", func(p *patient) {
			p.PolicyBinding.Object.Spec.ValidationActions = []admissionv1.ValidationAction{admissionv1.Audit}
		}, "policy", "does not deny", "kubectl -n portolan-system rollout restart", false},
		{"the policy is of older pools", func(p *patient) {
			p.site.ChangePool(func(spec *v1alpha1.NodePortPoolSpec) { spec.MaxPortsPerService = 3 })
		}, "policy", "not what the pools say now", "kubectl -n portolan-system rollout restart", false},
		{"the policy has warnings", func(p *patient) {
			p.Policy.Object.Status.TypeChecking = &admissionv1.TypeChecking{ExpressionWarnings: []admissionv1.ExpressionWarning{{FieldRef: "spec.validations[0]", Warning: "undeclared"}}}
		}, "policy", "warns of spec.validations[0]: undeclared", "kubectl get validatingadmissionpolicy", false},
		{"the ledger is open", func(p *patient) { p.LedgerBinding.Object = nil }, "policy", "whoever may write allocations", "kubectl get validatingadmissionpolicies", false},
		{"node-proxy is not everywhere", func(p *patient) { p.DaemonSet.Object.Status.NumberReady = 0 }, "nodes", "ready on 0 of 1 node", "kubectl -n portolan-node get pods", false},
		{"a node is not ready", func(p *patient) {
			p.site.NodeStates[0].Status.Conditions = condition(v1alpha1.NodeStateReady, v1alpha1.NodeStateReasonNotProgrammed, "ENOMEM", metav1.ConditionFalse)
		}, "nodes", "(NotProgrammed): ENOMEM", "kubectl describe npns node-1", false},
		{"a node has never said how it is", func(p *patient) { p.site.NodeStates[0].Status.Conditions = nil }, "nodes", "never said how it is", "kubectl -n portolan-node get pods", false},
		{"a node is leaving", func(p *patient) {
			p.site.NodeStates[0].Status.Conditions = condition(v1alpha1.NodeStateReady, v1alpha1.NodeStateReasonNodeLeaving, "", metav1.ConditionFalse)
		}, "nodes", "about to go", "", true},
		{"a node says nothing", func(p *patient) { p.site.NodeStates[0].Status.Activity.To = picturetest.Ago(4 * time.Hour) }, "nodes", "nothing for 4h", "kubectl -n portolan-node get pods", false},
		{"a node has gone", func(p *patient) {
			p.site.Nodes[0].Name = "other"
			p.site.Nodes[0].CreationTimestamp = picturetest.Ago(0)
		}, "nodes", "no such Node any more", "kubectl delete npns node-1", false},
		{"a node has never reported", func(p *patient) {
			p.site.Nodes = append(p.site.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-2", CreationTimestamp: long}})
		}, "nodes", "node-2", "kubectl -n portolan-node describe daemonset", true},
		{"a number is missing", func(p *patient) {
			p.site.Allocations[0].Status.Conditions = condition(v1alpha1.AllocationProgrammed, v1alpha1.AllocationReasonProgramming, "1 of 2 nodes", metav1.ConditionFalse)
		}, "nodes", "30100: 1 of 2 nodes", "kubectl portolan check", false},
		{"nobody guards", func(p *patient) { p.access(v1alpha1.AccessProgrammed, v1alpha1.AccessReasonNoGuard) }, "guard", "No node enforces it", "kubectl -n portolan-node get daemonset", false},
		{"some do not guard", func(p *patient) { p.access(v1alpha1.AccessProgrammed, v1alpha1.AccessReasonProgramming) }, "guard", "Not every node enforces it", "kubectl get npns", false},
		{"a policy cannot be read", func(p *patient) { p.access(v1alpha1.AccessReady, v1alpha1.AccessReasonInvalid) }, "guard", "lets nobody in", "kubectl -n shop describe npacc office", false},
		{"a policy selects nothing", func(p *patient) { p.access(v1alpha1.AccessReady, v1alpha1.AccessReasonSelectsNothing) }, "guard", "It does nothing", "kubectl -n shop describe npacc office", true},
		{"nobody guards a pool's numbers", func(p *patient) {
			p.site.ChangePool(func(spec *v1alpha1.NodePortPoolSpec) {
				spec.Access = &v1alpha1.PoolAccess{From: []v1alpha1.AccessPeer{{IPBlock: v1alpha1.IPBlock{CIDR: "203.0.113.0/24"}}}}
			})
			p.site.NodeStates[0].Status.Guard = nil
		}, "guard", "no node has a guard", "kubectl -n portolan-node get daemonset", false},
		{"a guard has never been current", func(p *patient) { p.site.NodeStates[0].Status.Guard.AccessResourceVersion = "" }, "guard", "cannot read who may reach", "kubectl auth can-i list nodeportaccesses.portolan.dev", false},
		{"a guard is stale", func(p *patient) {
			p.guardStale(v1alpha1.NodeStateReasonAccessUnread, "NodePortPool: forbidden")
		}, "guard", "NodePortPool: forbidden. What you have closed since may be open there. Where", "kubectl auth can-i list nodeportpools.portolan.dev", false},
		{"a guard was never current and says so", func(p *patient) {
			p.guardStale(v1alpha1.NodeStateReasonAccessUnread, "forbidden")
			p.site.NodeStates[0].Status.Guard.AccessResourceVersion = ""
		}, "guard", "forbidden", "kubectl auth can-i list nodeportaccesses.portolan.dev", false},
		{"a node cannot read its pods", func(p *patient) {
			p.guardStale(v1alpha1.NodeStateReasonPodsUnread, "Pod: forbidden")
		}, "guard", "Pod: forbidden. A hostPort may be closed there", "kubectl auth can-i list pods", false},
		{"Services share a number", func(p *patient) { p.site.Service(MakeService("shop/twin").NodePort(80, 30100)) }, "conflicts", "shop/twin carries it too", "kubectl -n shop patch service twin --type=json", false},
		{"a process has the number", func(p *patient) { p.site.Clash(30100, "nginx") }, "clashes", "process nginx of node-1", "kubectl portolan who 30100", false},
		{"a Service has trouble", func(p *patient) {
			p.site.Services[0].Status.Conditions = condition(allocatedCondition, "NodePortOutsidePool", "the Service keeps its number", metav1.ConditionFalse)
		}, "services", "the Service keeps its number", "kubectl -n shop describe service web", false},
		{"a claim waits for ever", func(p *patient) {
			p.site.Pending(30150, "shop/never").ChangeAllocation(func(a *v1alpha1.NodePortAllocation) { a.Spec.ClaimTime = new(metav1.NewMicroTime(long.Time)) })
		}, "leaks", "which never came", "kubectl portolan release 30150", false},
		{"an allocation has no Service", func(p *patient) { p.site.Bound(30150, "shop/gone"); p.site.Services = p.site.Services[:1] }, "leaks", "does not carry it", "kubectl portolan who 30150", false},
		{"a hold is over", func(p *patient) {
			p.site.Held(30150, "shop/gone").ChangeAllocation(func(a *v1alpha1.NodePortAllocation) { a.Spec.HoldUntil = &long })
		}, "leaks", "held until 60m ago", "kubectl portolan release 30150", false},
		{"a Service is not in the ledger", func(p *patient) { p.site.Service(MakeService("shop/new").NodePort(80, 30150).Created(long.Time)) }, "leaks", "does not know that it has 30150", "kubectl -n portolan-system logs", false},
		{"a pool is nearly full", func(p *patient) { p.fill(91) }, "pools", "nearly full: 9 of 100", "kubectl patch npp team-a", false},
		{"a pool is full", func(p *patient) { p.fill(100) }, "pools", "All of its 100 numbers are taken", "kubectl patch npp team-a", false},
		{"a pool overlaps", func(p *patient) {
			p.site.Pools[0].Status.Conditions = condition(v1alpha1.PoolReady, v1alpha1.PoolReasonOverlap, "pool b has 30100", metav1.ConditionFalse)
		}, "pools", "(Overlap): pool b has 30100", "kubectl edit npp team-a", false},
		{"nobody looks at a pool", func(p *patient) { p.site.Pools[0].Status.Conditions = nil }, "pools", "Nobody has looked at it", "kubectl describe npp team-a", false},
		{"a pool drains", func(p *patient) {
			p.site.Pools[0].Status.Conditions = condition(v1alpha1.PoolReady, v1alpha1.PoolReasonDraining, "1 is left: shop/web. To give them others: kubectl -n shop patch a; kubectl -n shop patch b", metav1.ConditionTrue)
		}, "pools", "It is draining: 1 is left: shop/web.", "kubectl -n shop patch b", true},
		{"a pool is drained", func(p *patient) {
			p.site.Pools[0].Status.Conditions = condition(v1alpha1.PoolReady, v1alpha1.PoolReasonDrained, "", metav1.ConditionTrue)
		}, "pools", "It is drained", "kubectl delete npp team-a", true},
		{"Services break the rules", func(p *patient) {
			p.site.Pools[0].Status.Conditions = append(p.site.Pools[0].Status.Conditions, condition(v1alpha1.PoolConforming, v1alpha1.PoolReasonLiveServices, "1: shop/web. To give them others: kubectl -n shop patch a", metav1.ConditionFalse)...)
		}, "pools", "1: shop/web.", "kubectl -n shop patch a", true},
		{"a reservation is not kept", func(p *patient) {
			p.site.Reserved(30150, "shop/db")
			p.site.Reservations[0].Status.Conditions = condition("Ready", "NumberTaken", "30150 is taken", metav1.ConditionFalse)
		}, "reservations", "(NumberTaken): 30150 is taken.", "kubectl portolan who 30150", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := healthy(t)
			tt.broken(p)
			wantOnly(t, p.examine(), tt.check, tt.says, tt.command, tt.notice)
		})
	}
}

func TestADeploymentWithoutReplicasIsTroubleUnlessSomebodyElseDoesItsWork(t *testing.T) {
	for name, broken := range map[string]func(*patient){
		"nobody answers": func(p *patient) { p.Asked.Err = nil },
		"nobody leads": func(p *patient) {
			p.Lease.Object.Spec.RenewTime = &metav1.MicroTime{Time: picturetest.Ago(time.Hour).Time}
		},
	} {
		p := healthy(t)
		p.Deployment.Object.Spec.Replicas, p.Deployment.Object.Status.ReadyReplicas = new(int32(0)), 0
		broken(p)
		if got := p.examine()[1]; !Troubled([]Result{got}) || !strings.Contains(text([]Result{got}, term.Screen{Width: 400}), "scaled to no replica at all") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// wantOnly wants one finding, and no other.
func wantOnly(t *testing.T, results []Result, check, says, command string, notice bool) {
	t.Helper()
	found := false
	for _, r := range results {
		for _, f := range r.Findings {
			if r.Check != check || found {
				t.Errorf("%s says too: %+v", r.Check, f)
				continue
			}
			found = true
			for _, harmful := range []string{"kubectl apply", "kubectl delete npa"} { // what is there may be other than what was seen
				if strings.Contains(strings.Join(f.Commands, "\n"), harmful) {
					t.Errorf("it advises %q", f.Commands)
				}
			}
			if !strings.Contains(f.Says, says) || !strings.Contains(strings.Join(f.Commands, "\n"), command) {
				t.Errorf("got %+v, want %q and %q", f, says, command)
			}
			if (f.Severity == Notice) != notice {
				t.Errorf("it is %s", f.Severity)
			}
		}
	}
	if !found {
		t.Errorf("nothing is found: %+v", results)
	}
	if Troubled(results) == notice {
		t.Errorf("troubled: %v", !notice)
	}
}

// renewed is a certificate that all trust, which ends after so long.
func (p *patient) renewed(left time.Duration) []byte {
	text := certificateOf(p.T, picturetest.Now.Add(left))
	p.Mutating.Object.Webhooks[0].ClientConfig.CABundle, p.Validating.Object.Webhooks[0].ClientConfig.CABundle = text, text
	return text
}

// guardStale has the node say that its guard goes by what was.
func (p *patient) guardStale(reason, why string) {
	meta.SetStatusCondition(&p.site.NodeStates[0].Status.Conditions, condition(v1alpha1.NodeStateGuardCurrent, reason, why, metav1.ConditionFalse)[0])
}

// access is a NodePortAccess with a condition that is False.
func (p *patient) access(kind, reason string) {
	a := v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "office"}}
	a.Status.Conditions = condition(kind, reason, "so it is", metav1.ConditionFalse)
	p.site.Accesses = append(p.site.Accesses, a)
}

// fill has so many numbers of the pool be in use.
func (p *patient) fill(numbers int32) {
	for n := int32(30101); n < 30100+numbers; n++ {
		p.site.Bound(n, "shop/web-"+string(rune('a'+n%26))+time.Duration(n).String())
	}
}

func TestWhatMayNotBeSeenIsNamedAndNoTrouble(t *testing.T) {
	p := healthy(t)
	no := errors.New("you may not read it")
	p.Definitions, p.Deployment, p.Lease = Found[[]apiextensionsv1.CustomResourceDefinition]{Err: no}, Found[appsv1.Deployment]{Err: no}, Found[coordinationv1.Lease]{Err: no}
	p.Mutating, p.Validating = Found[admissionv1.MutatingWebhookConfiguration]{Err: no}, Found[admissionv1.ValidatingWebhookConfiguration]{Err: no}
	p.Secret, p.Policy = Found[corev1.Secret]{Err: no}, Found[admissionv1.ValidatingAdmissionPolicy]{Err: no}
	p.Asked.Err = apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "", errors.New("no right"))
	p.site.Objects = picture.Objects{Gaps: []picture.Gap{{Kind: picture.Pools}, {Kind: picture.Allocations}, {Kind: picture.NodeStates}, {Kind: picture.Accesses}}}
	results := p.examine()
	for _, r := range results {
		switch r.Check {
		case "kinds", "manager", "webhooks", "certificate", "policy", "nodes", "guard", "clashes", "leaks", "pools":
			if len(r.Unseen) == 0 || len(r.Findings) > 0 {
				t.Errorf("%+v", r)
			}
		}
	}
	got := text(results, term.Screen{Width: 80})
	if Troubled(results) || strings.Contains(got, "well") || !strings.Contains(got, "Nothing is wrong in what you may see. ") || !strings.Contains(got, "could not be looked at.") {
		t.Error(got)
	}
}

func TestACheckOfAPartIsNotOK(t *testing.T) {
	for kind, checks := range map[picture.Kind][]string{
		picture.Services:     {"conflicts", "clashes", "services", "pools"},
		picture.Reservations: {"reservations"},
		picture.Allocations:  {"nodes", "pools"},
		picture.NodeStates:   {"guard"},
		picture.Pools:        {"guard"},
		picture.Nodes:        {"nodes"},
	} {
		p := healthy(t)
		p.site.Gaps = []picture.Gap{{Kind: kind, Namespace: "shop"}}
		got := text(p.examine(), term.Screen{Width: 200})
		for _, check := range checks {
			if line := regexp.MustCompile("(?m)^" + check + " .*").FindString(got); strings.Fields(line)[1] != "partial" {
				t.Errorf("without all %s: %s", kind, line)
			}
		}
		if !strings.Contains(got, "Nothing is wrong in what you may see. ") {
			t.Errorf("without all %s: %s", kind, got)
		}
	}
}

func TestAServiceIsAdvisedToMoveBeforeItIsChangedAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*corev1.Service)
		want   []string // beginnings
	}{
		{"an entry with a name", func(*corev1.Service) {}, []string{"kubectl portolan move web -n shop --to 301", "kubectl -n shop patch service web"}},
		{"an entry without", func(svc *corev1.Service) { svc.Spec.Ports[0].Name = "" }, []string{" --name tcp-80", "kubectl -n shop patch service web"}},
		{"one of several", func(svc *corev1.Service) {
			svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: "admin", Port: 81, NodePort: 30110})
		}, []string{" --port http", "kubectl -n shop patch service web"}},
		{"no selector", func(svc *corev1.Service) { svc.Spec.Selector = nil }, []string{"kubectl -n shop patch service web"}},
		{"on the move", func(svc *corev1.Service) { svc.Annotations = map[string]string{"portolan.dev/move": "{}"} }, []string{"kubectl portolan move web -n shop   # goes on"}},
		{"no number of its own", func(svc *corev1.Service) { svc.Spec.Ports[0].NodePort = 30120 }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := healthy(t)
			p.Picture = p.site.Picture()
			svc := p.Services[0].DeepCopy()
			svc.Spec.Selector = map[string]string{"app": "web"}
			tt.change(svc)
			got := p.renumber(svc, 30100)
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("got %q, want %q", got[i], want)
				}
			}
		})
	}
}

// What the manager advises in a condition changes a Service at once. Source: controllers/mend.go.
func TestInThePlaceOfWhatTheManagerAdvisesStandsAMove(t *testing.T) {
	const patch = `kubectl -n shop patch service web --type=json -p '[{"op":"test","path":"/spec/ports/0/nodePort","value":30100},{"op":"replace","path":"/spec/ports/0/nodePort","value":30214}]'`
	for _, tt := range []struct {
		name, command, want string
		selector            map[string]string
	}{
		{"where it can", patch, "kubectl portolan move web -n shop --to 30214", map[string]string{"app": "web"}},
		{"not where nobody would give it endpoints", patch, patch, nil},
		{"not where the Service has another number now", strings.ReplaceAll(patch, "30100", "30101"), strings.ReplaceAll(patch, "30100", "30101"), map[string]string{"app": "web"}},
		{"not of another command", "kubectl describe npp team-a", "kubectl describe npp team-a", map[string]string{"app": "web"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := healthy(t)
			p.Picture = p.site.Picture()
			p.Service(types.NamespacedName{Namespace: "shop", Name: "web"}).Spec.Selector = tt.selector
			if got := p.gently([]string{tt.command}); len(got) != 1 || got[0] != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCommandsAreTakenOutOfMessages(t *testing.T) {
	for message, want := range map[string]string{
		"all is well.": "all is well|",
		"2: a, b. To give them others: kubectl -n x patch a; kubectl -n x patch b": "2: a, b|kubectl -n x patch a,kubectl -n x patch b",
	} {
		says, commands := advised(message)
		if got := says + "|" + strings.Join(commands, ","); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTheTextIsAsWideAsTheScreenButForCommands(t *testing.T) {
	for _, width := range []int{80, 200} {
		p := healthy(t)
		p.Asked.Err, p.Lease.Object = nil, nil
		for line := range strings.Lines(text(p.examine(), term.Screen{Width: width})) {
			if !strings.HasPrefix(line, "    $ ") && term.Length(strings.TrimSuffix(line, "\n")) > width {
				t.Errorf("width %d: %s", width, line)
			}
		}
	}
}
