package nft

import (
	"net/netip"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// Ports of the node, each guarded in its own way.
const (
	openPort     = 31000 // is not
	grantedPort  = 31001 // grants the client's network, but not the client, and pod1
	placedPort   = 31002 // grants everybody at the node's address by the client's interface, pods at the address by any, none else
	limitedPort  = 31003 // grants 2 a second, once 3 are used up
	deniedPort   = 31004 // grants nobody
	clientPort   = 31005 // grants the client
	unusedPort   = 31006 // is nobody's
	unclosedPort = 31100 // is nobody's, and not in closedPorts
)

var closedPorts = PortRange{30000, 31099}

// everyAccess guards ports in each way, over TCP and UDP.
func everyAccess(a addressing) []Element {
	const everybody, network, pods, limited, client, nobody ACL = 1, 2, 3, 4, 5, 6
	single := func(address netip.Addr) netip.Prefix { return netip.PrefixFrom(address, address.BitLen()) }
	around := netip.PrefixFrom(a.client, map[Family]int{IPv4: 24, IPv6: 64}[a.family])
	anywhere := netip.PrefixFrom(a.client, 0)
	elements := []Element{
		Grant(everybody, anywhere, Pass()),
		Grant(everybody, around, Pass()),
		Grant(network, around, Pass()), Grant(network, single(a.client), Deny()), Grant(network, single(a.pods[1]), Pass()),
		Grant(pods, a.podRange, Pass()),
		Grant(limited, anywhere, Limit(2, 3)),
		Grant(client, single(a.client), Pass()),
	}
	for _, p := range []Protocol{TCP, UDP} {
		for _, port := range []uint16{30080, 30081, 30082, 30083, openPort, grantedPort, placedPort, limitedPort, deniedPort, clientPort} {
			elements = append(elements, Use(p, port))
		}
		elements = append(elements,
			Guarded(a.family, p, grantedPort, network),
			GuardedAt(p, placedPort, testnet.ClientInterface, a.node, everybody), GuardedAt(p, placedPort, "", a.node, pods),
			Guarded(a.family, p, placedPort, nobody),
			Guarded(a.family, p, limitedPort, limited),
			Guarded(a.family, p, deniedPort, nobody),
			Guarded(a.family, p, clientPort, client),
		)
	}
	return elements
}
