package security

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/test/install"
)

// rendered are the objects that kustomize makes of a directory of the checkout.
func rendered(t *testing.T, dir ...string) []*unstructured.Unstructured {
	t.Helper()
	out, err := site.Kubectl(t.Context(), "kustomize", filepath.Join(append([]string{install.Repository()}, dir...)...)).Output()
	must(t, err)
	var objects []*unstructured.Unstructured
	for document := range strings.SplitSeq(string(out), "\n---\n") {
		object := &unstructured.Unstructured{}
		must(t, utilyaml.Unmarshal([]byte(document), &object.Object))
		objects = append(objects, object)
	}
	return objects
}

// allOf are the objects of a kind.
func allOf[O any](t *testing.T, objects []*unstructured.Unstructured, kind string) []O {
	t.Helper()
	var found []O
	for _, object := range objects {
		if object.GetKind() == kind {
			into := new(O)
			must(t, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into))
			found = append(found, *into)
		}
	}
	if len(found) == 0 {
		t.Fatalf("there is no %s", kind)
	}
	return found
}

// admitted asks the API server for a Pod of a template, without having it run, and returns what it warns of.
func admitted(t *testing.T, namespace string, template corev1.PodTemplateSpec) (*corev1.Pod, told, error) {
	t.Helper()
	warnings := told{}
	config := rest.CopyConfig(site.Config())
	config.WarningHandler, config.WarningHandlerWithContext = warnings, nil
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "sample", Labels: template.Labels}, Spec: template.Spec}
	return pod, warnings, clientFor(t, config).Create(t.Context(), pod, client.DryRunAll)
}

func TestTheManagersPodsAreRestrictedAndMayNotBeLess(t *testing.T) {
	var template corev1.PodTemplateSpec
	for _, dir := range []string{"config/default", "test/integration/testdata/overlays/certmanager"} {
		template = allOf[appsv1.Deployment](t, rendered(t, dir), "Deployment")[0].Spec.Template
		pod, warnings, err := admitted(t, install.Namespace, template)
		if err != nil || len(warnings) > 0 {
			t.Fatalf("%s: %v, with warnings: %s", dir, err, warnings["warnings"])
		}
		for _, v := range pod.Spec.Volumes {
			if v.Secret == nil && v.Projected == nil {
				t.Errorf("%s: there is somewhere that it can write to, or more to read than it needs: %+v", dir, v)
			}
		}
		if c := pod.Spec.Containers[0].SecurityContext; len(pod.Spec.Containers) != 1 || !*c.ReadOnlyRootFilesystem || c.Privileged != nil || len(c.Capabilities.Add) > 0 {
			t.Errorf("%s: its container is %+v", dir, c)
		}
	}
	for what, change := range map[string]func(*corev1.PodSpec){
		"root": func(s *corev1.PodSpec) {
			s.SecurityContext.RunAsNonRoot, s.SecurityContext.RunAsUser = new(false), new(int64(0))
		},
		"the host's net": func(s *corev1.PodSpec) { s.HostNetwork = true },
		"a capability": func(s *corev1.PodSpec) {
			s.Containers[0].SecurityContext.Capabilities.Add = []corev1.Capability{"NET_ADMIN"}
		},
		"no seccomp":     func(s *corev1.PodSpec) { s.SecurityContext.SeccompProfile = nil },
		"more privilege": func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.AllowPrivilegeEscalation = new(true) },
		"a host's path": func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{Name: "h", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}}
		},
	} {
		changed := *template.DeepCopy()
		changed.Spec.Volumes, changed.Spec.Containers[0].VolumeMounts = nil, nil
		change(&changed.Spec)
		if _, _, err := admitted(t, install.Namespace, changed); !apierrors.IsForbidden(err) || !strings.Contains(fmt.Sprint(err), "PodSecurity") {
			t.Errorf("with %s it is answered %v", what, err)
		}
	}
}

func TestNodeProxysPodsHaveOfTheHostItsNetworkAndNothingElse(t *testing.T) {
	template := allOf[appsv1.DaemonSet](t, rendered(t, "config/node-proxy"), "DaemonSet")[0].Spec.Template
	if _, warnings, err := admitted(t, install.NodeNamespace, template); err != nil || len(warnings) > 0 {
		t.Fatalf("%v, with warnings: %s", err, warnings["warnings"])
	}
	baseline := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "baseline", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "baseline"}}}
	put(t, baseline)
	template.Spec.ServiceAccountName, template.Spec.PriorityClassName = "", "" // which are not there
	eventually(t, "Pods can be made", func() error {
		template := *template.DeepCopy()
		template.Spec.HostNetwork, template.Spec.Containers[0].SecurityContext.Capabilities.Add = false, nil
		_, _, err := admitted(t, baseline.Name, template)
		return err // without what it is for it would be let in, so that is all there is
	})
	_, _, err := admitted(t, baseline.Name, template)
	if text := fmt.Sprint(err); !strings.Contains(text, "host namespaces") || !strings.Contains(text, "NET_ADMIN") {
		t.Errorf("elsewhere it is answered %v", err)
	}
}

// network is NetworkPolicies, as a network plugin has them: what one allows is allowed; without any for a Pod, all is.
type network []networkingv1.NetworkPolicy

// somebody is one end of a connection: a Pod by its labels and its namespace's, or with neither an address.
type somebody struct {
	pod, namespace map[string]string
	address        string
}

// lets says whether a Pod of the manager's may be reached by somebody (Ingress), or reach him (Egress).
func (n network) lets(t *testing.T, pod map[string]string, direction networkingv1.PolicyType, who somebody, protocol corev1.Protocol, port int32) bool {
	t.Helper()
	isolated := false
	for _, policy := range n {
		if !slices.Contains(policy.Spec.PolicyTypes, direction) || !matches(t, &policy.Spec.PodSelector, pod) {
			continue
		}
		isolated = true
		if direction == networkingv1.PolicyTypeIngress {
			for _, rule := range policy.Spec.Ingress {
				if inRule(t, rule.From, rule.Ports, who, protocol, port) {
					return true
				}
			}
			continue
		}
		for _, rule := range policy.Spec.Egress {
			if inRule(t, rule.To, rule.Ports, who, protocol, port) {
				return true
			}
		}
	}
	return !isolated
}

func inRule(t *testing.T, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort, who somebody, protocol corev1.Protocol, port int32) bool {
	t.Helper()
	isPort := len(ports) == 0 || slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool {
		return (p.Protocol == nil && protocol == corev1.ProtocolTCP || p.Protocol != nil && *p.Protocol == protocol) && (p.Port == nil || *p.Port == intstr.FromInt32(port))
	})
	return isPort && (len(peers) == 0 || slices.ContainsFunc(peers, func(p networkingv1.NetworkPolicyPeer) bool {
		if p.IPBlock != nil {
			return who.address != "" && netip.MustParsePrefix(p.IPBlock.CIDR).Contains(netip.MustParseAddr(who.address))
		}
		return who.address == "" && (p.PodSelector == nil || matches(t, p.PodSelector, who.pod)) &&
			p.NamespaceSelector != nil && matches(t, p.NamespaceSelector, who.namespace)
	}))
}

func matches(t *testing.T, selector *metav1.LabelSelector, set map[string]string) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	must(t, err)
	return s.Matches(labels.Set(set))
}

func TestTheNetworkPoliciesLetInAPIServersWhereverTheyRunAndOutWhatTheManagerNeeds(t *testing.T) {
	objects := rendered(t, "test/security/testdata/network-policy")
	policies := network(allOf[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy"))
	for i := range policies {
		if policies[i].Namespace != install.Namespace || !strings.HasPrefix(policies[i].Name, "portolan-") {
			t.Errorf("there is a policy %s/%s", policies[i].Namespace, policies[i].Name)
		}
		policy := policies[i].DeepCopy()
		must(t, admin().Create(t.Context(), policy, client.DryRunAll))
	}
	deployment := allOf[appsv1.Deployment](t, objects, "Deployment")[0]
	manager := deployment.Spec.Template.Labels
	anyPod := map[string]string{"app": "any"}
	node, tenant := somebody{address: "192.0.2.1"}, somebody{pod: anyPod, namespace: map[string]string{corev1.LabelMetadataName: "shop"}}
	prometheus := somebody{pod: anyPod, namespace: map[string]string{corev1.LabelMetadataName: "monitoring", "metrics": "enabled"}}
	dns := somebody{pod: map[string]string{"k8s-app": "kube-dns"}, namespace: map[string]string{corev1.LabelMetadataName: "kube-system"}}
	const in, out = networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress
	const tcp, udp = corev1.ProtocolTCP, corev1.ProtocolUDP
	for _, tc := range []struct {
		name      string
		pod       map[string]string
		direction networkingv1.PolicyType
		who       somebody
		protocol  corev1.Protocol
		port      int32
		want      bool
	}{
		{"an API server on a node's network calls webhooks", manager, in, node, tcp, 9443, true},
		{"an API server that comes through a Pod (konnectivity) calls webhooks", manager, in, somebody{pod: anyPod, namespace: dns.namespace}, tcp, 9443, true},
		{"Prometheus reads metrics", manager, in, prometheus, tcp, 8443, true},
		{"a tenant reads metrics", manager, in, tenant, tcp, 8443, false},
		{"a node reads metrics", manager, in, node, tcp, 8443, false},
		{"a tenant looks at profiles", manager, in, tenant, tcp, 6060, false},
		{"a tenant asks for its health", manager, in, tenant, tcp, 8081, false}, // the kubelet of the Pod's node always may
		{"the manager asks the API server", manager, out, node, tcp, 6443, true},
		{"the manager asks the API server by its Service", manager, out, somebody{address: "10.96.0.1"}, tcp, 443, true},
		{"the manager asks for names", manager, out, dns, udp, 53, true},
		{"the manager asks for names that are long", manager, out, dns, tcp, 53, true},
		{"the manager asks a node-local cache for names", manager, out, somebody{address: "169.254.20.10"}, udp, 53, true},
		{"the manager reads a cloud's metadata", manager, out, somebody{address: "169.254.169.254"}, tcp, 80, false},
		{"the manager talks to a tenant", manager, out, tenant, tcp, 8080, false},
		{"the manager talks to an etcd", manager, out, node, tcp, 2379, false},
		{"something else of its namespace is called", anyPod, in, tenant, tcp, 9443, false},
		{"something else of its namespace calls", anyPod, out, node, tcp, 6443, false},
	} {
		if got := policies.lets(t, tc.pod, tc.direction, tc.who, tc.protocol, tc.port); got != tc.want {
			t.Errorf("%s: allowed: %t, want %t", tc.name, got, tc.want)
		}
	}
	var served []int32
	for _, p := range deployment.Spec.Template.Spec.Containers[0].Ports {
		served = append(served, p.ContainerPort)
	}
	slices.Sort(served)
	if !slices.Equal(served, []int32{8081, 8443, 9443}) {
		t.Errorf("it serves %v, and the policies are for others", served)
	}
}
