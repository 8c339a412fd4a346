package conformance

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/proxysite"
)

// object is a Service and what serves it. Its addresses may be words (external1 and so on, and names of hosts), and
// stand for one of each family.
type object struct {
	service *st.Service
	slices  [][]endpoint // nil: one without endpoints
}

// endpoint is a pod (or a node, for a pod in its network), in the state that options leave it in.
type endpoint struct {
	pod     string
	family  string // "": both
	options []st.EndpointOption
}

// with is a Service with its endpoints in one slice.
func with(s *st.Service, endpoints ...[]endpoint) object {
	return object{s, [][]endpoint{slices.Concat(endpoints...)}}
}

// inSlices is a Service with its endpoints in several slices.
func inSlices(s *st.Service, slices ...[]endpoint) object { return object{s, slices} }

// pods are endpoints.
func pods(names ...string) []endpoint {
	var all []endpoint
	for _, name := range names {
		all = append(all, endpoint{pod: name})
	}
	return all
}

// inFamily are endpoints with an address of one family.
func inFamily(family string, names ...string) []endpoint {
	all := pods(names...)
	for i := range all {
		all[i].family = family
	}
	return all
}

// those are endpoints with options. Nodes of hints are "node" and "other".
func those(options []st.EndpointOption, names ...string) []endpoint {
	all := pods(names...)
	for i := range all {
		all[i].options = options
	}
	return all
}

func lasting(names ...string) []endpoint { return those([]st.EndpointOption{st.Lasting}, names...) }
func ending(names ...string) []endpoint  { return those([]st.EndpointOption{st.Ending}, names...) }
func unready(names ...string) []endpoint { return those([]st.EndpointOption{st.Unready}, names...) }

func forZones(zones []string, names ...string) []endpoint {
	return those([]st.EndpointOption{st.ForZones(zones...)}, names...)
}

func forNodes(nodes []string, names ...string) []endpoint {
	return those([]st.EndpointOption{st.ForNodes(nodes...)}, names...)
}

// web is a Service with port 80 over TCP and UDP, and node ports.
func web() *st.Service { return service("web") }

func service(name string) *st.Service {
	return bare(name).NodePort(80, 0, st.Named("tcp"), st.Target(proxysite.PodPort)).
		NodePort(80, 0, st.Named("udp"), st.Target(proxysite.PodPort), st.UDP)
}

func bare(name string) *st.Service { return st.MakeService("case/" + name) }

// realService is the Service for the API server.
func (w *world) realService(o object) *corev1.Service {
	svc := o.service.Obj()
	svc.Namespace = w.namespace
	switch {
	case svc.Spec.Type == corev1.ServiceTypeExternalName:
		svc.Spec.ExternalName = "example.com"
	case len(svc.Spec.IPFamilies) == 0:
		svc.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyRequireDualStack)
	}
	svc.Spec.ExternalIPs = w.both(svc.Spec.ExternalIPs, "")
	svc.Spec.LoadBalancerSourceRanges = w.both(svc.Spec.LoadBalancerSourceRanges, "/")
	var ingress []corev1.LoadBalancerIngress
	for _, i := range svc.Status.LoadBalancer.Ingress {
		for _, ip := range w.both([]string{i.IP}, "") {
			ingress = append(ingress, corev1.LoadBalancerIngress{IP: ip, IPMode: i.IPMode})
		}
	}
	svc.Status.LoadBalancer.Ingress = ingress
	return svc
}

// both replaces each word by what it means in both families; with a separator, by ranges of one address.
func (w *world) both(texts []string, rangeSeparator string) []string {
	var all []string
	for _, text := range texts {
		for _, family := range []string{"IPv4", "IPv6"} {
			address, err := w.address(text, family)
			switch {
			case err != nil && family == "IPv4":
				all = append(all, text) // no word
			case err == nil && rangeSeparator != "":
				all = append(all, netip.PrefixFrom(address, address.BitLen()).String())
			case err == nil:
				all = append(all, address.String())
			}
		}
	}
	return all
}

// realSlices are the Service's slices, of each family, for the API server.
func (w *world) realSlices(o object) []*discoveryv1.EndpointSlice {
	svc := o.service.Obj()
	if svc.Spec.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	var all []*discoveryv1.EndpointSlice
	for i, endpoints := range o.slices {
		for _, family := range []string{"IPv4", "IPv6"} {
			slice := w.realSlice(svc, fmt.Sprint(strings.ToLower(family), "-", i), family, endpoints)
			all = append(all, slice)
		}
	}
	return all
}

func (w *world) realSlice(svc *corev1.Service, suffix, family string, endpoints []endpoint) *discoveryv1.EndpointSlice {
	slice := st.MakeSlice("case/"+svc.Name, suffix)
	if family == "IPv6" {
		slice.IPv6()
	}
	for _, e := range endpoints {
		if e.family != "" && e.family != family {
			continue
		}
		address, err := w.address(e.pod, family)
		if err != nil {
			panic(err)
		}
		slice.Endpoint(address.String(), slices.Concat(e.options, []st.EndpointOption{w.onItsNode(e.pod), w.realHints})...)
	}
	real := slice.Obj()
	real.Namespace, real.Ports = w.namespace, endpointPorts(svc)
	if svc.Spec.ClusterIP == corev1.ClusterIPNone {
		metav1.SetMetaDataLabel(&real.ObjectMeta, corev1.IsHeadlessService, "")
	}
	return real
}

func (w *world) onItsNode(pod string) st.EndpointOption {
	if pod == "other" || strings.HasPrefix(pod, "remote") {
		return st.OnNode(w.site.OtherName)
	}
	return st.OnNode(w.site.NodeName)
}

// realHints gives hints the names of the Node objects.
func (w *world) realHints(e *discoveryv1.Endpoint) {
	if e.Hints == nil {
		return
	}
	var real []discoveryv1.ForNode
	for _, n := range e.Hints.ForNodes {
		real = append(real, discoveryv1.ForNode{Name: map[string]string{"node": w.site.NodeName, "other": w.site.OtherName}[n.Name]})
	}
	e.Hints.ForNodes = real
}

// endpointPorts are a Service's target ports, as endpoints have them. A target that is a name is PodPort.
func endpointPorts(svc *corev1.Service) []discoveryv1.EndpointPort {
	var all []discoveryv1.EndpointPort
	for _, p := range svc.Spec.Ports {
		number := p.TargetPort.IntVal
		if number == 0 {
			number = proxysite.PodPort
		}
		all = append(all, discoveryv1.EndpointPort{Name: &p.Name, Port: &number, Protocol: &p.Protocol})
	}
	return all
}
