package format

import (
	"strconv"
	"strings"

	"github.com/portolan-dev/portolan/internal/cli/export/inventory"
)

// writeTFVars writes two variables: maps, for for_each, whose keys do not change while a Service keeps its number.
func writeTFVars(w *writer) {
	w.head("#")
	w.f("\nportolan_nodes = {\n")
	for _, n := range w.inv.Nodes {
		w.f("  %s = %s\n", quoted(n.Name), tuple(texts(n.Addresses)))
	}
	w.f("}\n\nportolan_node_ports = {\n")
	for i := range w.inv.Ports {
		w.tf(&w.inv.Ports[i])
	}
	w.f("}\n")
}

func (w *writer) tf(p *inventory.Port) {
	key := strings.TrimSuffix(p.Namespace+"/"+p.Service+"/"+p.Name, "/")
	check := "null"
	if p.HealthCheck != 0 {
		check = number(p.HealthCheck)
	}
	w.f("  %s = {\n", quoted(key))
	for _, field := range [][2]string{
		{"namespace", quoted(p.Namespace)},
		{"service", quoted(p.Service)},
		{"name", quoted(p.Name)},
		{"protocol", quoted(string(p.Protocol))},
		{"port", number(p.Port)},
		{"node_port", number(p.Number)},
		{"pool", quoted(p.Pool)},
		{"traffic_policy", quoted(trafficPolicy(p))},
		{"health_check_node_port", check},
		{"nodes", tuple(nodeNames(p.Nodes))},
		{"addresses", tuple(texts(addresses(p.Nodes)))},
		{"from", tuple(texts(from(p)))},
	} {
		w.f("    %-22s = %s\n", field[0], field[1])
	}
	w.f("  }\n")
}

func tuple(words []string) string {
	all := make([]string, len(words))
	for i, word := range words {
		all[i] = quoted(word)
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// quoted is a text of HCL: what Kubernetes takes for a name, and addresses, have nothing that it would replace.
func quoted(text string) string { return strconv.Quote(text) }
