// Package clash says what else on a node uses numbers of the node port range, and what is said of it. It is pure.
//
// The policy:
//   - A socket that listens at a number, and a pod with it as its hostPort, clash with every Service that has or will have
//     the number for the same protocol: what comes from outside goes to one of them only. So such a number is not handed
//     out, on no node.
//   - The health check's number of a Service is listened at by the node's proxy; that is no clash.
//   - Only the node itself reaches a loopback address: there is no clash, unless node ports are served there.
//   - A number that the node may give to its own connections is no reason not to hand it out: on many nodes these are all
//     numbers. It is said of numbers that a Service has, for it can be mended. What listens at such a number has mostly been
//     given it, and has another one the next time: only where a Service has it, it clashes. Else a few sockets on each of
//     many nodes would take all numbers from everybody.
package clash

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/ephemeral"
	"github.com/portolan-dev/portolan/internal/nodeproxy/listeners"
)

// Port is a number of a protocol.
type Port struct {
	Protocol corev1.Protocol
	Number   int32
}

func (p Port) String() string { return fmt.Sprint(p.Protocol, " ", p.Number) }

// Use is what a Service has a number for.
type Use int

// Uses of numbers.
const (
	NodePort Use = iota + 1
	HealthCheck
)

// Facts are what is known of a node.
type Facts struct {
	// Range is the cluster's node port range: nothing outside of it matters.
	Range v1alpha1.PortRange
	// Listeners are the node's; those of this process do not clash.
	Listeners []listeners.Listener
	// HostPorts are those of the pods on the node.
	HostPorts []HostPort
	// Ephemeral are the kernel's settings; the zero value, where they are not known, has no number.
	Ephemeral ephemeral.Settings
	// Services are the numbers that Services of any proxy have.
	Services map[Port]Use
	// Localhost: node ports are served at loopback addresses, too.
	Localhost bool
}

// Clash is one use of a number by something else than a Service.
type Clash struct {
	v1alpha1.Clash
	// OfService: a Service has the number.
	OfService bool
}

func (c Clash) port() Port { return Port{c.Protocol, c.NodePort} }

// compare orders clashes: those with Services first, then those that can do harm, then by number.
func (c Clash) compare(other Clash) int {
	rank := func(c Clash) int {
		r := 0
		if !c.OfService {
			r = 2
		}
		if c.Kind == v1alpha1.ClashEphemeral {
			r++
		}
		return r
	}
	return cmp.Or(cmp.Compare(rank(c), rank(other)), cmp.Compare(c.NodePort, other.NodePort), cmp.Compare(c.Protocol, other.Protocol))
}

// Find finds all clashes. Of a port that a pod has and something listens at, too, it tells the pod: mostly it is that. Of
// several pods, as at different addresses, it is always the same.
func Find(f Facts) Report {
	found := make(map[Port]Clash)
	for _, l := range f.Listeners {
		port := Port{corev1.Protocol(l.Protocol.String()), int32(l.Port)}
		ofProxy := l.Process.Own || l.Protocol == listeners.TCP && f.Services[port] == HealthCheck
		byChance := f.Ephemeral.Chooses(port.Number) && f.Services[port] == 0
		if !ofProxy && !byChance && (f.Localhost || !l.Loopback()) {
			f.add(found, port, v1alpha1.ClashHostListener, cmp.Or(found[port].Process, l.Process.Name))
		}
	}
	for _, h := range slices.SortedFunc(slices.Values(f.HostPorts), HostPort.compare) {
		if f.Localhost || !h.Loopback {
			f.add(found, h.Port, v1alpha1.ClashHostPort, h.Pod.String())
		}
	}
	report := Report{Ephemeral: f.Ephemeral.Range}
	for _, c := range found {
		report.Clashes = append(report.Clashes, c)
	}
	report.Clashes = append(report.Clashes, f.ephemeral()...)
	slices.SortFunc(report.Clashes, Clash.compare)
	return report
}

// add notes the use of a port, if it is of the range.
func (f Facts) add(to map[Port]Clash, port Port, kind v1alpha1.ClashKind, process string) {
	if port.Number < f.Range.From || port.Number > f.Range.To {
		return
	}
	_, ofService := f.Services[port]
	to[port] = Clash{v1alpha1.Clash{NodePort: port.Number, Protocol: port.Protocol, Kind: kind, Process: process}, ofService}
}

// ephemeral are the numbers of Services that the node may give to its own connections.
func (f Facts) ephemeral() []Clash {
	var all []Clash
	for port := range f.Services {
		if f.Ephemeral.Chooses(port.Number) {
			all = append(all, Clash{v1alpha1.Clash{NodePort: port.Number, Protocol: port.Protocol, Kind: v1alpha1.ClashEphemeral}, true})
		}
	}
	return all
}
