package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/portolan-dev/portolan/internal/cli/explain"
	"github.com/portolan-dev/portolan/internal/cli/lint"
	"github.com/portolan-dev/portolan/internal/cli/manifest"
	"github.com/portolan-dev/portolan/internal/cli/premises"
)

// What the API server takes, and what it does not, whatever is in the cluster.
var specs = []struct {
	spec    string
	refused bool
}{
	{spec: `{ports: [{port: 80}]}`},
	{spec: `{type: NodePort, ports: [{port: 80, nodePort: 32000}]}`},
	{spec: `{type: NodePort, ports: [{port: 80}, {port: 81}]}`}, // Portolan names them
	{spec: `{type: NodePort, ports: [{targetPort: 80}]}`},       // and fills in ports
	{spec: `{type: NodePort, ports: [{name: a, port: 80}, {name: b, port: 80, protocol: UDP}]}`},
	{spec: `{type: NodePort, ports: [{port: 80, targetPort: http, appProtocol: example.com/h2}]}`},
	{spec: `{type: NodePort, externalTrafficPolicy: Local, internalTrafficPolicy: Local, ports: [{port: 80}]}`},
	{spec: `{type: NodePort, sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86400}}, ports: [{port: 80}]}`},
	{spec: `{sessionAffinity: None, sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}, ports: [{port: 80}]}`}, // taken away
	{spec: `{sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {}}, ports: [{port: 80}]}`},
	{spec: `{type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 32001, ports: [{port: 80}]}`},
	{spec: `{type: LoadBalancer, allocateLoadBalancerNodePorts: false, loadBalancerClass: example.com/lb, ports: [{port: 80}]}`},
	{spec: `{type: ExternalName, externalName: example.com.}`},
	{spec: `{type: ExternalName, externalName: example.com, internalTrafficPolicy: Local, ports: [{port: 80}]}`},
	{spec: `{clusterIP: None}`},
	{spec: `{clusterIP: None, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}`},
	{spec: `{externalIPs: [203.0.113.7], externalTrafficPolicy: Local, ports: [{port: 80}]}`},

	{refused: true, spec: `{type: NodePort, ports: [{port: 70000}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: 0}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: -1}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{nodePort: 32000}]}`},
	{refused: true, spec: `{ports: [{targetPort: 80}]}`}, // for this one Portolan is not asked
	{refused: true, spec: `{ports: [{port: 80}, {port: 81}]}`},
	{refused: true, spec: `{type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}, {port: 81}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: 80, protocol: FOO}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: 80, protocol: tcp}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: 80, name: b_x}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: 80, name: ` + strings.Repeat("a", 64) + `}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: 80, name: a}, {port: 81, name: a}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: 80, name: a}, {port: 80, name: b}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: 80}, {port: 80}]}`},
	{refused: true, spec: `{type: NodePort}`},
	{refused: true, spec: `{type: NodePort, ports: []}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: 80, targetPort: 65536}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: 80, targetPort: -1}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: 80, targetPort: not_a_name}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: 80, targetPort: "8080"}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: 80, appProtocol: "a b"}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: 80, nodePort: -1}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{port: 80, nodePort: 65536}]}`},
	{refused: true, spec: `{type: NodePort, ports: [{name: a, port: 80, nodePort: 32000}, {name: b, port: 81, nodePort: 32000}]}`},
	{refused: true, spec: `{type: NodePort, sessionAffinity: Foo, ports: [{port: 80}]}`},
	{refused: true, spec: `{sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 0}}, ports: [{port: 80}]}`},
	{refused: true, spec: `{sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}, ports: [{port: 80}]}`},
	{refused: true, spec: `{type: NodePort, externalTrafficPolicy: Sometimes, ports: [{port: 80}]}`},
	{refused: true, spec: `{type: NodePort, internalTrafficPolicy: Sometimes, ports: [{port: 80}]}`},
	{refused: true, spec: `{externalTrafficPolicy: Local, ports: [{port: 80}]}`},
	{refused: true, spec: `{type: NodePort, healthCheckNodePort: 32001, ports: [{port: 80}]}`},
	{refused: true, spec: `{type: LoadBalancer, healthCheckNodePort: 32001, ports: [{port: 80}]}`},
	{refused: true, spec: `{type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 70000, ports: [{port: 80}]}`},
	{refused: true, spec: `{type: ClusterIP, ports: [{port: 80, nodePort: 30153}]}`},
	{refused: true, spec: `{ports: [{port: 80, nodePort: 30153}]}`},
	{refused: true, spec: `{type: Foo, ports: [{port: 80}]}`},
	{refused: true, spec: `{type: ExternalName, externalName: example.com, ports: [{port: 80, nodePort: 32000}]}`},
	{refused: true, spec: `{type: NodePort, clusterIP: None, ports: [{port: 80}]}`},
	{refused: true, spec: `{type: NodePort, allocateLoadBalancerNodePorts: true, ports: [{port: 80}]}`},
	{refused: true, spec: `{type: NodePort, loadBalancerClass: example.com/lb, ports: [{port: 80}]}`},
}

func TestLintAndExplainRefuseWhatTheAPIServerRefuses(t *testing.T) {
	clearCluster(t)
	for _, c := range specs {
		t.Run(c.spec, func(t *testing.T) {
			svc := &corev1.Service{}
			must(t, yaml.Unmarshal([]byte("spec: "+c.spec), svc))
			said := wantAgreement(t.Context(), t, svc)
			if c.refused != (said != nil) {
				t.Errorf("the API server says %v", said)
			}
		})
	}
}

func TestLintAndExplainRefuseWhatTheAPIServerRefusesOfAnyService(t *testing.T) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		must(t, checks.Value.Set("300"))
		t.Cleanup(func() { _ = checks.Value.Set(checks.DefValue) })
	}
	clearCluster(t)
	refused, taken := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		if wantAgreement(t.Context(), r, drawService(r)) != nil {
			refused++
		} else {
			taken++
		}
	})
	if refused < 20 || taken < 20 {
		t.Errorf("%d were refused, %d were taken", refused, taken)
	}
}

// wantAgreement fails the test unless lint and explain refuse a Service where the API server does. It returns the API
// server's refusal.
func wantAgreement(ctx context.Context, t rapid.TB, svc *corev1.Service) error {
	t.Helper()
	svc.APIVersion, svc.Kind, svc.Name, svc.Namespace = "v1", "Service", "agreed", corev1.NamespaceDefault
	text, err := yaml.Marshal(svc)
	if err != nil {
		t.Fatal(err)
	}
	said := site.Create(ctx, svc.DeepCopy(), client.DryRunAll)
	if said != nil && !apierrors.IsInvalid(said) && !apierrors.IsInternalError(said) && !apierrors.IsForbidden(said) {
		t.Fatal(said)
	}
	given, err := premises.Load(ctx, nil, premises.Flags{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	set := manifest.Read([]string{"-"}, bytes.NewReader(text), given.Reading)
	if found := lint.Lint(set, given.World(), nil); (said != nil) != found.Failed(false) {
		t.Errorf("the API server says %v, lint finds %v in:\n%s", said, found.Findings, text)
	}
	if answer := explain.Manifest(given.World(), set.Services[0].Value).Answer; (said != nil) != (answer.Verdict == explain.Refused) {
		t.Errorf("the API server says %v, explain says %v of:\n%s", said, answer, text)
	}
	return said
}

// drawService draws a Service of which each field is mostly left out, or right.
func drawService(t *rapid.T) *corev1.Service {
	svc := &corev1.Service{}
	spec := &svc.Spec
	spec.Type = corev1.ServiceType(draw(t, "type", "", "ClusterIP", "NodePort", "NodePort", "NodePort", "LoadBalancer", "LoadBalancer", "Node"))
	for i := range rapid.SampledFrom([]int{1, 1, 2, 2, 3, 0}).Draw(t, "ports") {
		spec.Ports = append(spec.Ports, drawPort(t, int32(i)))
	}
	if seldom(t, "headless") {
		spec.ClusterIP = corev1.ClusterIPNone
	}
	if seldom(t, "affinity") {
		spec.SessionAffinity = corev1.ServiceAffinity(draw(t, "sessionAffinity", "None", "ClientIP", "ClientIP", "clientIP"))
		spec.SessionAffinityConfig = &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: new(draw[int32](t, "seconds", 0, 1, 86400, 86401))}}
	}
	if seldom(t, "external") {
		spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicy(draw(t, "policy", "Cluster", "Local", "Local", "local"))
	}
	if seldom(t, "internal") {
		spec.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicy(draw(t, "policy", "Cluster", "Local", "")))
	}
	if seldom(t, "health check") {
		spec.HealthCheckNodePort = draw[int32](t, "health", 32004, 32004, 70000, -1)
	}
	if seldom(t, "allocate") {
		spec.AllocateLoadBalancerNodePorts = new(rapid.Bool().Draw(t, "allocates"))
	}
	if seldom(t, "class") {
		spec.LoadBalancerClass = new("example.com/lb")
	}
	return svc
}

func drawPort(t *rapid.T, i int32) corev1.ServicePort {
	p := corev1.ServicePort{Port: 80 + i, Name: draw(t, "name", "", fmt.Sprint("p-", i), fmt.Sprint("p-", i))}
	if seldom(t, "other name") {
		p.Name = draw(t, "name", "p-0", "P", "p_0", "tcp-80")
	}
	if seldom(t, "other port") {
		p.Port = draw[int32](t, "port", 80, 65535, 65536, 0, -1)
	}
	if seldom(t, "protocol") {
		p.Protocol = corev1.Protocol(draw(t, "protocol", "TCP", "UDP", "SCTP", "udp"))
	}
	if seldom(t, "target") {
		p.TargetPort = draw(t, "targetPort", intstr.FromInt32(8080), intstr.FromInt32(65536), intstr.FromString("http"), intstr.FromString("80"), intstr.FromString("Http"), intstr.FromString(""))
	}
	if seldom(t, "app protocol") {
		p.AppProtocol = new(draw(t, "appProtocol", "http", "example.com/h2", "", "a b"))
	}
	if rapid.IntRange(0, 2).Draw(t, "numbered") == 0 {
		p.NodePort = draw(t, "nodePort", 32000+i, 32000+i, 32000, 80, 65536)
	}
	return p
}

func seldom(t *rapid.T, what string) bool { return rapid.IntRange(0, 9).Draw(t, what) == 9 }

func draw[T any](t *rapid.T, what string, from ...T) T { return rapid.SampledFrom(from).Draw(t, what) }
