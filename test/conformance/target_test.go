package conformance

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/portolan-dev/portolan/test/proxysite"
)

// target is an address and port, in words that mean another one in each case and family.
type target struct {
	where   string // see address
	service string // whose node port it is; "" if port is the number itself
	port    int32
	path    string // over HTTP
}

func (t target) String() string {
	if t.path == "/" {
		return "health check of " + t.service
	}
	if t.service != "" {
		return fmt.Sprintf("node port of %s:%d at %s", t.service, t.port, t.where)
	}
	return fmt.Sprintf("%s:%d%s", t.where, t.port, t.path)
}

// clusterIP is a Service's cluster IP.
func clusterIP(service string, port int32) target {
	return target{where: "cluster IP of " + service, port: port}
}

// nodePort is the node port of a Service's port at the node's primary address.
func nodePort(service string, port int32) target { return nodePortAt("node", service, port) }

// nodePortAt is the node port of a Service's port at another address.
func nodePortAt(where, service string, port int32) target {
	return target{where: where, service: service, port: port}
}

// healthCheck is a Service's healthCheckNodePort.
func healthCheck(service string) target { return target{where: "node", service: service, path: "/"} }

// healthz and livez are the proxy's own.
var (
	healthz = target{where: "node", port: proxysite.HealthPort, path: "/healthz"}
	livez   = target{where: "node", port: proxysite.HealthPort, path: "/livez"}
)

// at is a port of an address.
func at(where string, port int32) target { return target{where: where, port: port} }

// Addresses besides those of hosts, which go by their names.
const (
	// Routed to the node, and the case's own. Objects may name them: they are of both families then.
	external1, external2 = "external1", "external2"
	balancer1, balancer2 = "balancer1", "balancer2"

	second      = "the node's second address"
	third       = "an address that the node may have"
	loopback    = "the node's loopback"
	unallocated = "a cluster IP of no Service"
	more        = "an address of another range"
	pod         = "pod of " // and a pod's name: the pod itself, past all Services
)

// words are the addresses that objects may name, with what is theirs alone.
var words = []string{external1, external2, balancer1, balancer2}

// resolve says which address and port a target is, or was last.
func (w *world) resolve(t target, v variant) (netip.AddrPort, error) {
	address, err := w.address(t.where, v.family)
	if err != nil || t.service == "" {
		return netip.AddrPortFrom(address, uint16(t.port)), err
	}
	number := w.nodePorts[portKey(t.service, t.port, v.network)]
	if t.path != "" {
		number = w.nodePorts[t.service]
	}
	if number == 0 {
		err = fmt.Errorf("there has never been a %s over %s", t, v)
	}
	return netip.AddrPortFrom(address, uint16(number)), err
}

// address is what a word means in a family.
func (w *world) address(where, family string) (netip.Addr, error) {
	pick := func(ip4, ip6 string) (netip.Addr, error) {
		if family == "IPv4" {
			return netip.ParseAddr(ip4)
		}
		return netip.ParseAddr(ip6)
	}
	if service, ok := strings.CutPrefix(where, "cluster IP of "); ok {
		return w.clusterIP(service, family)
	}
	if i := slices.Index(words, where); i >= 0 {
		return pick(fmt.Sprintf("198.19.%d.%d", w.number, i+1), fmt.Sprintf("2001:db8:1:%x::%d", w.number, i+1))
	}
	switch where {
	case second:
		return pick(proxysite.SecondAddress4, proxysite.SecondAddress6)
	case third:
		return pick(third4, third6)
	case loopback:
		return pick("127.0.0.1", "::1")
	case unallocated:
		return pick("10.96.250.250", "fd00:96::fafa")
	case more:
		return pick("10.97.0.99", "fd00:97::99")
	}
	if h := w.site.Host(strings.TrimPrefix(where, pod)); h != nil {
		return pick(h.IPv4.String(), h.IPv6.String())
	}
	return netip.Addr{}, fmt.Errorf("%q is no address", where)
}

func (w *world) clusterIP(service, family string) (netip.Addr, error) {
	svc := w.services[service]
	if svc == nil {
		return netip.Addr{}, fmt.Errorf("no Service %s", service)
	}
	for i, f := range svc.Spec.IPFamilies {
		if string(f) == family && i < len(svc.Spec.ClusterIPs) {
			return netip.ParseAddr(svc.Spec.ClusterIPs[i])
		}
	}
	return netip.Addr{}, fmt.Errorf("Service %s has no cluster IP of %s", service, family)
}
