package nodeproxy

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// flowTable is the node's connection tracking; *conntrack.Table is one.
type flowTable interface {
	Delete(flows []conntrack.Flow) (conntrack.Counts, error)
}

// sweep has the kernel forget the flows that lead where nothing serves any more. It belongs after the change of the
// table: else a flow's next packet would go the old way again. After an error they are looked at again.
func (a *Agent) sweep() error {
	if len(a.programmer.flows) == 0 {
		return nil
	}
	var flows []conntrack.Flow
	touched := map[nft.Family]bool{}
	for _, f := range a.programmer.flows {
		flows = append(flows, a.flow(f))
		touched[f.Family] = true
	}
	started := a.clock.Now()
	deleted, err := a.conntrack.Delete(flows)
	for family := range touched {
		a.metrics.FlowsDeleted(families[family], a.clock.Since(started), byProtocol(deleted, family))
	}
	if err != nil {
		return fmt.Errorf("the rules are in step, but flows to what has gone may be left: %w", err)
	}
	clear(a.programmer.flows)
	return nil
}

var (
	families  = map[nft.Family]corev1.IPFamily{nft.IPv4: corev1.IPv4Protocol, nft.IPv6: corev1.IPv6Protocol}
	protocols = map[conntrack.Protocol]corev1.Protocol{conntrack.UDP: corev1.ProtocolUDP, conntrack.SCTP: corev1.ProtocolSCTP}
)

// byProtocol are the counts of a family.
func byProtocol(counts conntrack.Counts, family nft.Family) map[corev1.Protocol]int {
	of := map[corev1.Protocol]int{}
	for kind, n := range counts {
		if kind.IPv6 == (family == nft.IPv6) {
			of[protocols[kind.Protocol]] = n
		}
	}
	return of
}

// flow is a flow with the addresses that a node port has here.
func (a *Agent) flow(f route.Flow) conntrack.Flow {
	c := conntrack.Flow{Protocol: conntrack.Protocol(f.Protocol), Port: f.Port, Serving: f.Serving, Gone: f.Gone}
	if !f.NodePort() {
		c.Addresses = []netip.Addr{f.Addr}
		return c
	}
	for _, ip := range a.view.Network.NodePortIPs {
		if nft.FamilyOf(ip) == f.Family {
			c.Addresses = append(c.Addresses, ip)
		}
	}
	return c
}
