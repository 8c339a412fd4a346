package admissionpolicy

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// clusterRange is small, so that pools and Services meet, and lies across a hundred.
var clusterRange = v1alpha1.PortRange{From: 30085, To: 30115}

var number = rapid.Int32Range(clusterRange.From, clusterRange.To)

// selector draws every way to select by the labels "team" and "tier", and one that cannot be read.
var selector = rapid.Custom(func(t *rapid.T) metav1.LabelSelector {
	expression := func(operator metav1.LabelSelectorOperator, values ...string) metav1.LabelSelector {
		return metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: operator, Values: values}}}
	}
	s := rapid.SampledFrom([]metav1.LabelSelector{
		{},
		{},
		{MatchLabels: map[string]string{"team": "a"}},
		{MatchLabels: map[string]string{"team": ""}},
		{MatchLabels: map[string]string{"team": "a", "tier": "front"}},
		expression(metav1.LabelSelectorOpIn, "b", "a"),
		expression(metav1.LabelSelectorOpIn, "b"),
		expression(metav1.LabelSelectorOpNotIn, "a", "c"),
		expression(metav1.LabelSelectorOpNotIn, "b"),
		expression(metav1.LabelSelectorOpExists),
		expression(metav1.LabelSelectorOpDoesNotExist),
		expression("Near"),
	}).Draw(t, "selector")
	if len(s.MatchExpressions) > 0 && rapid.Bool().Draw(t, "of a tier too") {
		s.MatchLabels = map[string]string{"tier": "front"}
	}
	return s
})

var pool = rapid.Custom(func(t *rapid.T) v1alpha1.NodePortPool {
	p := v1alpha1.NodePortPool{}
	p.CreationTimestamp = metav1.NewTime(time.Unix(int64(rapid.IntRange(0, 3).Draw(t, "age")), 0))
	for range rapid.IntRange(0, 3).Draw(t, "ranges") {
		from := number.Draw(t, "from")
		p.Spec.Ranges = append(p.Spec.Ranges, v1alpha1.PortRange{From: from, To: from + rapid.Int32Range(0, 8).Draw(t, "more")})
	}
	p.Spec.NamespaceSelector = selector.Draw(t, "namespaces")
	p.Spec.Priority = rapid.Int32Range(0, 2).Draw(t, "priority")
	p.Spec.Allocation = rapid.SampledFrom([]v1alpha1.AllocationMode{"Automatic", "Automatic", "Explicit", "None"}).Draw(t, "allocation")
	p.Spec.Enforcement = rapid.SampledFrom([]v1alpha1.Enforcement{"Enforce", "Enforce", "Warn"}).Draw(t, "enforcement")
	p.Spec.MaxPortsPerService = rapid.Int32Range(1, 5).Draw(t, "limit")
	return p
})

// pools draws some, called "pool-0" and so on.
var pools = rapid.Custom(func(t *rapid.T) []v1alpha1.NodePortPool {
	all := rapid.SliceOfN(pool, 1, 5).Draw(t, "pools")
	for i := range all {
		all[i].Name = fmt.Sprint("pool-", i)
		all[i].UID = types.UID(all[i].Name)
	}
	return all
})

var namespace = rapid.Custom(func(t *rapid.T) *corev1.Namespace {
	ns := &corev1.Namespace{}
	ns.Name = "shop"
	for _, key := range []string{"team", "tier"} {
		if value := rapid.SampledFrom([]string{"none", "", "a", "b", "front"}).Draw(t, key); value != "none" {
			metav1.SetMetaDataLabel(&ns.ObjectMeta, key, value)
		}
	}
	return ns
})

// service draws Services as an API server hands them to a policy: with the numbers that its allocator chose, each
// used by one port a protocol, or by several protocols of one `port`.
var service = rapid.Custom(func(t *rapid.T) *corev1.Service {
	s := MakeService("shop/web")
	kind := rapid.SampledFrom([]corev1.ServiceType{"NodePort", "NodePort", "LoadBalancer", "LoadBalancer", "ExternalName", "ClusterIP"}).Draw(t, "type")
	allocates := kind == corev1.ServiceTypeNodePort || kind == corev1.ServiceTypeLoadBalancer
	if kind == corev1.ServiceTypeLoadBalancer && rapid.IntRange(0, 2).Draw(t, "says what to allocate") == 0 {
		allocates = rapid.Bool().Draw(t, "allocate")
		s.AllocateNodePorts(allocates)
	}
	type use struct {
		protocol corev1.Protocol
		port     int32
	}
	used := map[int32][]use{}
	free := func(n int32, u use) bool {
		for _, other := range used[n] {
			if other.protocol == u.protocol || other.port != u.port {
				return false
			}
		}
		return true
	}
	for i, u := range rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) use {
		return use{rapid.SampledFrom([]corev1.Protocol{"TCP", "UDP", "SCTP"}).Draw(t, "protocol"), rapid.Int32Range(80, 83).Draw(t, "port")}
	}), 1, 7, rapid.ID).Draw(t, "ports") {
		n := number.Draw(t, "number")
		for n = range n + 100 {
			if n >= clusterRange.From && free(n, u) {
				break
			}
		}
		if !allocates && rapid.Bool().Draw(t, "no number") || kind == corev1.ServiceTypeClusterIP {
			n = 0
		}
		used[n] = append(used[n], u)
		s.NodePort(u.port, n, Named(fmt.Sprint("p", i)), func(p *corev1.ServicePort) { p.Protocol = u.protocol })
	}
	s.Type(kind)
	if rapid.Bool().Draw(t, "local") {
		s.LocalTraffic()
		if kind == corev1.ServiceTypeLoadBalancer {
			n := number.Draw(t, "health check")
			for ; len(used[n]) > 0; n++ {
			}
			s.HealthCheck(n)
		}
	}
	if rapid.Bool().Draw(t, "annotated") {
		s.Annotation(v1alpha1.PoolAnnotation, rapid.SampledFrom([]string{"pool-0", "pool-0", "pool-1", "pool-2", "unheard-of", ""}).Draw(t, "pool"))
	}
	drawManagers(t, s)
	return s.Obj()
})

// drawManagers adds field managers that own some of the numbers, or of the rest of the ports.
func drawManagers(t *rapid.T, s *Service) {
	for i := range rapid.IntRange(0, 2).Draw(t, "managers") {
		var ports []string
		for _, p := range s.Obj().Spec.Ports {
			owned := rapid.SampledFrom([]string{``, `".":{},"f:port":{}`, `"f:port":{},"f:nodePort":{}`}).Draw(t, "owns")
			if owned != "" {
				ports = append(ports, fmt.Sprintf(`"k:{\"port\":%d,\"protocol\":\"%s\"}":{%s}`, p.Port, p.Protocol, owned))
			}
		}
		spec := rapid.SampledFrom([]string{`"f:type":{}`, `"f:healthCheckNodePort":{}`}).Draw(t, "owns of spec")
		if len(ports) > 0 {
			spec += `,"f:ports":{".":{},` + strings.Join(ports, ",") + `}`
		}
		subresource := rapid.SampledFrom([]string{"", "", "status"}).Draw(t, "subresource")
		s.ManagedFields(fmt.Sprint("manager", i), subresource, `{"f:metadata":{},"f:spec":{`+spec+`}}`)
	}
}
