// Package check is the verb check: it connects to the node ports of Services at every node, and says of those that do not
// answer why.
//
// The policy:
//   - What is found out by connecting is told as it is. Why is said where the cluster's own objects say so, and else it is
//     said what to look at: nothing is guessed.
//   - A node that is not to answer, as with externalTrafficPolicy Local and no ready endpoint on it, is no finding.
//   - Whose Pod answered is told only where the answer names one.
package check

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/knock"
)

// Door is a node port of a Service at an address of a node.
type Door struct {
	Of   *corev1.Service
	Port *corev1.ServicePort
	// Node is where it is.
	Node string
	knock.Door
}

// How is how doors are knocked at.
type How struct {
	// HTTP is the path that TCP ports are asked for; empty: they are only connected to.
	HTTP string
	// Addresses are tried in the place of the nodes'.
	Addresses []netip.Addr
	// Payload is the datagram that UDP ports are sent; empty: none.
	Payload string
}

// Doors are those of a Service's node ports at all nodes, by port, node and address.
func Doors(p *picture.Picture, svc *corev1.Service, how How) []Door {
	var doors []Door
	for i := range svc.Spec.Ports {
		port := &svc.Spec.Ports[i]
		if port.NodePort == 0 {
			continue
		}
		for _, node := range how.sites(p) {
			for _, address := range node.addresses {
				if !slices.Contains(svc.Spec.IPFamilies, family(address)) && len(svc.Spec.IPFamilies) > 0 {
					continue
				}
				d := Door{Of: svc, Port: port, Node: node.name}
				d.Door = knock.Door{Address: netip.AddrPortFrom(address, uint16(port.NodePort)), Protocol: string(cmp.Or(port.Protocol, corev1.ProtocolTCP))} //nolint:gosec // a port of the API server
				if d.Protocol == "UDP" {
					d.Payload = how.Payload
				} else {
					d.HTTP = how.HTTP
				}
				doors = append(doors, d)
			}
		}
	}
	return doors
}

// site is a node and where it is reached.
type site struct {
	name      string
	addresses []netip.Addr
}

// sites are where to try: at the addresses that were given, else at those of the nodes.
func (h How) sites(p *picture.Picture) []site {
	if len(h.Addresses) == 0 {
		return sites(p)
	}
	var all []site
	for _, a := range h.Addresses {
		all = append(all, site{nodeAt(p, a), []netip.Addr{a}})
	}
	return all
}

// nodeAt is the node that has an address, else the address.
func nodeAt(p *picture.Picture, a netip.Addr) string {
	for i := range p.Nodes {
		for _, has := range p.Nodes[i].Status.Addresses {
			if has.Address == a.String() {
				return p.Nodes[i].Name
			}
		}
	}
	return a.String()
}

// sites are the nodes by name, each with an address of either family: InternalIP, else ExternalIP. Who may not read Nodes
// goes by what their node-proxies report.
func sites(p *picture.Picture) []site {
	var all []site
	for i := range p.Nodes {
		n := &p.Nodes[i]
		all = append(all, site{n.Name, firsts(append(of(n, corev1.NodeInternalIP), of(n, corev1.NodeExternalIP)...))})
	}
	if len(p.Nodes) == 0 && !p.Complete(picture.Nodes) {
		for i := range p.NodeStates {
			all = append(all, site{p.NodeStates[i].Name, firsts(p.NodeStates[i].Status.Addresses)})
		}
	}
	slices.SortFunc(all, func(a, b site) int { return cmp.Compare(a.name, b.name) })
	return all
}

func of(n *corev1.Node, kind corev1.NodeAddressType) []string {
	var found []string
	for _, a := range n.Status.Addresses {
		if a.Type == kind {
			found = append(found, a.Address)
		}
	}
	return found
}

// firsts are the first address of each family.
func firsts(texts []string) []netip.Addr {
	var found []netip.Addr
	for _, text := range texts {
		a, err := netip.ParseAddr(text)
		if err == nil && !slices.ContainsFunc(found, func(f netip.Addr) bool { return f.Is4() == a.Is4() }) {
			found = append(found, a)
		}
	}
	return found
}

func family(a netip.Addr) corev1.IPFamily {
	if a.Is4() {
		return corev1.IPv4Protocol
	}
	return corev1.IPv6Protocol
}

// title is a port as people name it: "http 30080", "30080/UDP".
func title(port *corev1.ServicePort) string {
	text := fmt.Sprint(port.NodePort)
	if port.Protocol != "" && port.Protocol != corev1.ProtocolTCP {
		text += "/" + string(port.Protocol)
	}
	if port.Name != "" {
		text = port.Name + " " + text
	}
	return text
}
