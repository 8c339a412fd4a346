package format

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/portolan-dev/portolan/internal/cli/export/inventory"
)

// origin says which entry of which Service a line comes from: "shop/web https".
func origin(p *inventory.Port) string {
	return strings.TrimSuffix(p.Namespace+"/"+p.Service+" "+p.Name, " ")
}

// described is a port in words: "shop/web https, port 443 TCP at node port 30443".
func described(p *inventory.Port) string {
	return fmt.Sprintf("%s, port %d %s at node port %d", origin(p), p.Port, p.Protocol, p.Number)
}

// dotted is a port as one name: "shop.web.https". None of its parts can have a dot (RFC 1123 labels all), so no two ports
// have the same; letters, digits, "-" and "." are fine with HAProxy and nginx, and nothing of it is a number after a colon.
func dotted(p *inventory.Port) string {
	return strings.TrimSuffix(p.Namespace+"."+p.Service+"."+p.Name, ".")
}

// place is where a node answers: at its first address. Load balancers count servers, and a node is one.
func place(n inventory.Node, number int32) netip.AddrPort {
	return netip.AddrPortFrom(n.Addresses[0], uint16(number)) //nolint:gosec // a port of the API server
}

// texts are values as they are written, one after the other.
func texts[T fmt.Stringer](values []T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = v.String()
	}
	return all
}

// nodeNames are the names of nodes.
func nodeNames(nodes []inventory.Node) []string {
	all := make([]string, len(nodes))
	for i, n := range nodes {
		all[i] = n.Name
	}
	return all
}
