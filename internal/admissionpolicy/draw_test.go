package admissionpolicy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// clusterRange has room for a Service of more ports than one of no pool may have, and lies across hundreds.
var clusterRange = v1alpha1.PortRange{From: 30085, To: 30320}

// number draws from so few numbers that pools and Services meet.
var number = rapid.Int32Range(clusterRange.From, clusterRange.From+30)

// labelKeys and labelValues are of every form that the API server takes.
var (
	labelKeys   = []string{"team", "example.com/Cost-Center_1.a"}
	labelValues = []string{"a", "", "b", "A-1_z.9"}
)

// selector draws every way to select, and now and then one that cannot be read.
var selector = rapid.Custom(func(t *rapid.T) metav1.LabelSelector {
	s := metav1.LabelSelector{}
	if rapid.IntRange(0, 3).Draw(t, "everything") == 0 {
		return s
	}
	for range rapid.IntRange(0, 1).Draw(t, "labels") {
		metav1.AddLabelToSelector(&s, rapid.SampledFrom(labelKeys).Draw(t, "key"), rapid.SampledFrom(labelValues).Draw(t, "value"))
	}
	for range rapid.SampledFrom([]int{0, 1, 1, 2}).Draw(t, "expressions") {
		s.MatchExpressions = append(s.MatchExpressions, requirement.Draw(t, "expression"))
	}
	if rapid.IntRange(0, 19).Draw(t, "cannot be read") == 0 {
		s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: "team", Operator: "Near"})
	}
	return s
})

var requirement = rapid.Custom(func(t *rapid.T) metav1.LabelSelectorRequirement {
	r := metav1.LabelSelectorRequirement{Key: rapid.SampledFrom(labelKeys).Draw(t, "key")}
	r.Operator = rapid.SampledFrom([]metav1.LabelSelectorOperator{
		"In", "NotIn", "Exists", "DoesNotExist",
	}).Draw(t, "operator")
	if r.Operator == "In" || r.Operator == "NotIn" {
		r.Values = rapid.SliceOfN(rapid.SampledFrom(labelValues), 1, 3).Draw(t, "values")
	}
	return r
})

var pool = rapid.Custom(func(t *rapid.T) v1alpha1.NodePortPool {
	p := v1alpha1.NodePortPool{}
	p.CreationTimestamp = metav1.NewTime(time.Unix(int64(rapid.IntRange(0, 3).Draw(t, "age")), 0))
	for range rapid.IntRange(0, 3).Draw(t, "ranges") {
		from := number.Draw(t, "from")
		p.Spec.Ranges = append(p.Spec.Ranges, v1alpha1.PortRange{From: from, To: from + rapid.Int32Range(0, 15).Draw(t, "more")})
	}
	p.Spec.NamespaceSelector = selector.Draw(t, "namespaces")
	p.Spec.Priority = rapid.Int32Range(0, 2).Draw(t, "priority")
	p.Spec.Allocation = rapid.SampledFrom([]v1alpha1.AllocationMode{"Automatic", "Automatic", "Explicit", "None"}).Draw(t, "allocation")
	p.Spec.Enforcement = rapid.SampledFrom([]v1alpha1.Enforcement{"Enforce", "Enforce", "Warn"}).Draw(t, "enforcement")
	p.Spec.MaxPortsPerService = rapid.SampledFrom([]int32{1, 3, 8, 8}).Draw(t, "limit")
	return p
})

// pools draws some, called "pool-a" and so on.
var pools = rapid.Custom(func(t *rapid.T) []v1alpha1.NodePortPool {
	all := rapid.SliceOfN(pool, 1, 5).Draw(t, "pools")
	for i := range all {
		if i > 0 && rapid.IntRange(0, 2).Draw(t, "with the one before") > 0 {
			all[i].Spec.NamespaceSelector = all[i-1].Spec.NamespaceSelector
		}
		all[i].Name = "pool-" + string(rune('a'+i))
		all[i].UID = types.UID(all[i].Name)
	}
	return all
})

var namespace = rapid.Custom(func(t *rapid.T) *corev1.Namespace {
	ns := &corev1.Namespace{}
	ns.Name = "shop"
	if rapid.IntRange(0, 9).Draw(t, "bare") == 0 {
		return ns
	}
	for _, key := range labelKeys {
		if value := rapid.SampledFrom(append([]string{"none", "none", "a", "a"}, labelValues...)).Draw(t, key); value != "none" {
			metav1.SetMetaDataLabel(&ns.ObjectMeta, key, value)
		}
	}
	return ns
})

// created draws Services as an API server hands them to a policy: with the numbers that its allocator chose, each
// used by one port a protocol, or by several protocols of one `port`. In an update it lets these have several.
var created, updated = servicesOf(false), servicesOf(true)

func servicesOf(anyPort bool) *rapid.Generator[*corev1.Service] {
	return rapid.Custom(func(t *rapid.T) *corev1.Service { return drawService(t, anyPort) })
}

func drawService(t *rapid.T, anyPort bool) *corev1.Service {
	s := MakeService("shop/web")
	kind := rapid.SampledFrom([]corev1.ServiceType{"NodePort", "NodePort", "LoadBalancer", "LoadBalancer", "ExternalName", "ClusterIP"}).Draw(t, "type")
	allocates := kind == corev1.ServiceTypeNodePort || kind == corev1.ServiceTypeLoadBalancer
	if kind == corev1.ServiceTypeLoadBalancer && rapid.IntRange(0, 2).Draw(t, "says what to allocate") == 0 {
		allocates = rapid.Bool().Draw(t, "allocate")
		s.AllocateNodePorts(allocates)
	}
	used := uses{anyPort: anyPort, of: map[int32][]use{}}
	for i, u := range rapid.SliceOfNDistinct(anyUse, 1, 7, rapid.ID).Draw(t, "ports") {
		n := int32(0)
		if kind != corev1.ServiceTypeClusterIP && (allocates || rapid.Bool().Draw(t, "a number all the same")) {
			n = used.draw(t, u)
		}
		s.NodePort(u.port, n, Named(fmt.Sprint("p", i)), func(p *corev1.ServicePort) { p.Protocol = u.protocol })
	}
	s.Type(kind)
	if rapid.Bool().Draw(t, "local") {
		s.LocalTraffic()
		if kind == corev1.ServiceTypeLoadBalancer {
			s.HealthCheck(used.drawUnused(t))
		}
	}
	if rapid.IntRange(0, 2).Draw(t, "annotated") == 0 {
		s.Annotation(v1alpha1.PoolAnnotation, rapid.SampledFrom([]string{"pool-a", "pool-b", "pool-c", "unheard-of", ""}).Draw(t, "pool"))
	}
	drawManagers(t, s)
	if allocates && rapid.IntRange(0, 19).Draw(t, "crowded") == 0 {
		for i := range rapid.Int32Range(90, 105).Draw(t, "more ports") {
			s.NodePort(1000+i, clusterRange.From+100+i, Named(fmt.Sprint("q", i)))
		}
	}
	return s.Obj()
}

// use is what one entry of a Service has a number for.
type use struct {
	protocol corev1.Protocol
	port     int32
}

var anyUse = rapid.Custom(func(t *rapid.T) use {
	return use{rapid.SampledFrom([]corev1.Protocol{"TCP", "UDP", "SCTP"}).Draw(t, "protocol"), rapid.Int32Range(80, 83).Draw(t, "port")}
})

// uses are those of the numbers that a Service has so far.
type uses struct {
	anyPort bool // entries with different ports may share a number
	of      map[int32][]use
}

// draw draws a number that an entry may have.
func (s uses) draw(t *rapid.T, u use) int32 {
	n := number.Draw(t, "number")
	for slices.ContainsFunc(s.of[n], func(o use) bool { return o.protocol == u.protocol || o.port != u.port && !s.anyPort }) {
		n++
	}
	s.of[n] = append(s.of[n], u)
	return n
}

// drawUnused draws a number that no entry has.
func (s uses) drawUnused(t *rapid.T) int32 {
	n := number.Draw(t, "health check")
	for len(s.of[n]) > 0 {
		n++
	}
	return n
}

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
