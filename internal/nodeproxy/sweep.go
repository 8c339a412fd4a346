package nodeproxy

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// kind is what conntrack entries are counted by.
type kind struct {
	family   nft.Family
	protocol nft.Protocol
}

// sweep has the kernel forget the flows that lead where nothing serves any more. It belongs after the change of the
// table: else a flow's next packet would go the old way again.
func (a *Agent) sweep() error {
	stale := map[kind][]conntrack.Flow{}
	for _, f := range a.programmer.flows {
		k := kind{f.Family, f.Protocol}
		stale[k] = append(stale[k], a.flow(f))
	}
	for k, flows := range stale {
		started := a.clock.Now()
		deleted, err := a.conntrack.Delete(flows)
		a.metrics.FlowsDeleted(families[k.family], a.clock.Since(started), map[corev1.Protocol]int{protocols[k.protocol]: deleted})
		if err != nil {
			return err
		}
	}
	clear(a.programmer.flows)
	return nil
}

var (
	families  = map[nft.Family]corev1.IPFamily{nft.IPv4: corev1.IPv4Protocol, nft.IPv6: corev1.IPv6Protocol}
	protocols = map[nft.Protocol]corev1.Protocol{nft.UDP: corev1.ProtocolUDP, nft.SCTP: corev1.ProtocolSCTP}
)

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
