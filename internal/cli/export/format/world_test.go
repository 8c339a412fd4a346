package format

import (
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/cli/export/inventory"
)

var (
	node1 = at("node-1", "192.0.2.1", "2001:db8::1")
	node2 = at("node-2.example.com", "192.0.2.2")
	node3 = at("node-3", "2001:db8::3")
	began = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
)

func at(name string, addresses ...string) inventory.Node {
	n := inventory.Node{Name: name}
	for _, a := range addresses {
		n.Addresses = append(n.Addresses, netip.MustParseAddr(a))
	}
	return n
}

// door is for the sources at the addresses.
func door(from []string, addresses ...string) inventory.Door {
	d := inventory.Door{Addresses: at("", addresses...).Addresses}
	for _, f := range from {
		d.From = append(d.From, netip.MustParsePrefix(f))
	}
	return d
}

var (
	anyone4 = door([]string{"0.0.0.0/0"}, "192.0.2.1", "192.0.2.2")
	anyone6 = door([]string{"::/0"}, "2001:db8::1", "2001:db8::3")
)

// world has something of everything that a format may meet.
func world() *inventory.Inventory {
	return &inventory.Inventory{
		Nodes: []inventory.Node{node1, node2, node3},
		Ports: []inventory.Port{{
			Namespace: "dns", Service: "resolver", Name: "dns", Protocol: corev1.ProtocolTCP, Port: 53, Number: 30053, Created: began,
			Nodes: []inventory.Node{node1, node2, node3}, Doors: []inventory.Door{anyone4, anyone6},
		}, {
			Namespace: "dns", Service: "resolver", Name: "dns-udp", Protocol: corev1.ProtocolUDP, Port: 53, Number: 30053, Created: began,
			Nodes: []inventory.Node{node1, node2, node3}, Doors: []inventory.Door{anyone4, anyone6},
		}, {
			Namespace: "shop", Service: "admin", Protocol: corev1.ProtocolTCP, Port: 443, Number: 30100, Pool: "team-a", Created: began.Add(time.Hour),
			Nodes: []inventory.Node{node1, node2},
		}, {
			Namespace: "shop", Service: "away", Protocol: corev1.ProtocolTCP, Port: 8443, Number: 30101, Pool: "team-a", Local: true, Created: began,
		}, {
			Namespace: "shop", Service: "web", Name: "https", Protocol: corev1.ProtocolTCP, Port: 443, Number: 30102, Pool: "team-a", Created: began,
			Local: true, HealthCheck: 30999,
			Nodes: []inventory.Node{node2},
			Doors: []inventory.Door{door([]string{"198.51.100.0/24", "203.0.113.0/25"}, "192.0.2.2")},
		}, {
			Namespace: "voice", Service: "signal", Protocol: corev1.ProtocolSCTP, Port: 2905, Number: 30200, Created: began,
			Nodes: []inventory.Node{node1}, Doors: []inventory.Door{door([]string{"10.0.0.0/8"}, "192.0.2.1"), door([]string{"2001:db8:1::/48"}, "2001:db8::1")},
		}},
		Checks: []inventory.Check{{Namespace: "shop", Service: "web", Number: 30999, Created: began, Doors: []inventory.Door{anyone4}}},
	}
}

// worlds are what a consumer has to take, by the name of the golden file; text is what is otherwise.
func worlds() map[string]Options {
	zone := Options{Zone: "ports.example.com", NameServers: []string{"ns1.example.com", "ns2.example.com"}, Now: began}
	return map[string]Options{
		"haproxy": {}, "nginx": {}, "nftables": {Table: "edge"}, "iptables": {}, "dns": zone, "csv": {}, "json": {}, "tfvars": {}, "prometheus-sd": {},
	}
}

// listening is with a load balancer at the Services' own ports and two addresses of its own.
var listening = Options{Listen: ListenServicePort, Bind: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::")}}
