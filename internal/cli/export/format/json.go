package format

import (
	"encoding/json"

	"github.com/portolan-dev/portolan/internal/cli/export/inventory"
)

// Inventory is what the format json writes. Fields are only added to it.
type Inventory struct {
	Nodes []Node `json:"nodes"`
	Ports []Port `json:"ports"`
}

// Node is a node that takes traffic from outside.
type Node struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"`
}

// Port is a node port.
type Port struct {
	Namespace             string `json:"namespace"`
	Service               string `json:"service"`
	Name                  string `json:"name,omitempty"`
	Protocol              string `json:"protocol"`
	Port                  int32  `json:"port"`
	NodePort              int32  `json:"nodePort"`
	Pool                  string `json:"pool,omitempty"`
	ExternalTrafficPolicy string `json:"externalTrafficPolicy"`
	HealthCheckNodePort   int32  `json:"healthCheckNodePort,omitempty"`
	// Nodes are those at which it is to be reached.
	Nodes []Node `json:"nodes"`
	// Access is who may reach it where; empty: nobody.
	Access []Access `json:"access"`
}

// Access is who may reach a port at some addresses.
type Access struct {
	Addresses []string `json:"addresses"`
	From      []string `json:"from"`
}

func writeJSON(w *writer) {
	out := Inventory{Nodes: nodes(w.inv.Nodes), Ports: []Port{}}
	for i := range w.inv.Ports {
		out.Ports = append(out.Ports, portOf(&w.inv.Ports[i]))
	}
	w.json(out)
}

func (w *writer) json(value any) {
	e := json.NewEncoder(&w.text)
	e.SetIndent("", "  ")
	_ = e.Encode(value) // texts and numbers only: nothing of it can fail
}

func portOf(p *inventory.Port) Port {
	out := Port{
		Namespace: p.Namespace, Service: p.Service, Name: p.Name,
		Protocol: string(p.Protocol), Port: p.Port, NodePort: p.Number, Pool: p.Pool,
		ExternalTrafficPolicy: trafficPolicy(p),
		HealthCheckNodePort:   p.HealthCheck,
		Nodes:                 nodes(p.Nodes),
		Access:                []Access{},
	}
	for _, d := range p.Doors {
		out.Access = append(out.Access, Access{Addresses: texts(d.Addresses), From: texts(d.From)})
	}
	return out
}

func nodes(all []inventory.Node) []Node {
	out := []Node{}
	for _, n := range all {
		out = append(out, Node{Name: n.Name, Addresses: texts(n.Addresses)})
	}
	return out
}
