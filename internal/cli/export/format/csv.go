package format

import (
	"encoding/csv"
	"net/netip"
	"slices"
	"strings"

	"github.com/portolan-dev/portolan/internal/cli/export/inventory"
)

// writeCSV writes a line for each port (RFC 4180, with the line ends of this system). Lists are separated by spaces.
func writeCSV(w *writer) {
	c := csv.NewWriter(&w.text)
	// Neither a strings.Builder nor these fields can make it fail.
	_ = c.Write([]string{"namespace", "service", "name", "protocol", "port", "node_port", "pool", "traffic_policy",
		"health_check_node_port", "nodes", "addresses", "from"})
	for i := range w.inv.Ports {
		p := &w.inv.Ports[i]
		check := ""
		if p.HealthCheck != 0 {
			check = number(p.HealthCheck)
		}
		_ = c.Write([]string{p.Namespace, p.Service, p.Name, string(p.Protocol), number(p.Port), number(p.Number), p.Pool,
			trafficPolicy(p), check, list(nodeNames(p.Nodes)), list(texts(addresses(p.Nodes))), list(texts(from(p)))})
	}
	c.Flush()
}

func list(words []string) string { return strings.Join(words, " ") }

func trafficPolicy(p *inventory.Port) string {
	if p.Local {
		return "Local"
	}
	return "Cluster"
}

// addresses of nodes, in their order.
func addresses(nodes []inventory.Node) []netip.Addr {
	var all []netip.Addr
	for _, n := range nodes {
		all = append(all, n.Addresses...)
	}
	return all
}

// from are all ranges from which a port may be reached at any of its addresses.
func from(p *inventory.Port) []netip.Prefix {
	var all []netip.Prefix
	for _, d := range p.Doors {
		all = append(all, d.From...)
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return slices.Compact(all)
}
