// Package access reads who may reach node ports out of NodePortAccess and NodePortPool objects: which ports an object is
// about, and from where, on which nodes, and at which of a node's doors it lets whom in. Everything here is pure.
//
// The policy:
//   - A port that no NodePortAccess of its namespace selects is open. One that any selects takes what one of them
//     grants, and nothing else. That holds on every node: one that is about other nodes selects, and grants nothing.
//   - Where several grant a source, the most generous rate counts.
//   - A pool's access is a ceiling: it goes by the number, and a source outside is refused whatever else grants it.
//   - An object that cannot be read grants nothing. It selects what it would select without the requirements that cannot
//     be read: that is never less than was meant, so a mistake closes a port and never opens one.
package access

import (
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Policy is a NodePortAccess as it takes effect. It does not change once made.
type Policy struct {
	Name types.NamespacedName
	// Problems say what cannot be read of it, each with its field. With any of them it grants nothing.
	Problems field.ErrorList

	// Ports are names of ports; none: all.
	Ports []string
	// Sources are who may come in; none: everybody.
	Sources []Block
	// Interfaces are by which they may come in; none: all.
	Interfaces []string
	// Addresses are of the node's addresses those at which they may come in; none: all.
	Addresses []netip.Prefix
	// Rate is how much each source may; the zero Rate is no limit.
	Rate Rate

	services, nodes labels.Selector
}

// NewPolicy reads a NodePortAccess.
func NewPolicy(object *v1alpha1.NodePortAccess) *Policy {
	spec, at := &object.Spec, field.NewPath("spec")
	p := NewSelection(object)
	p.nodes = labels.Everything()
	if spec.NodeSelector != nil {
		p.nodes = p.selector(spec.NodeSelector, at.Child("nodeSelector"))
	}
	var errs field.ErrorList
	p.Sources, errs = blocks(spec.From, at.Child("from"))
	p.Problems = append(p.Problems, errs...)
	p.Interfaces, errs = interfaces(spec.Interfaces, at.Child("interfaces"))
	p.Problems = append(p.Problems, errs...)
	p.Addresses, errs = prefixes(spec.Addresses, at.Child("addresses"))
	p.Problems = append(p.Problems, errs...)
	p.Rate, errs = rate(spec.NewConnections, at.Child("newConnections"))
	p.Problems = append(p.Problems, errs...)
	return p
}

// NewSelection reads no more of a NodePortAccess than which ports of which Services it is about. It grants nothing.
func NewSelection(object *v1alpha1.NodePortAccess) *Policy {
	p := &Policy{
		Name:  types.NamespacedName{Namespace: object.Namespace, Name: object.Name},
		Ports: object.Spec.Ports,
		nodes: labels.Nothing(),
	}
	p.services = p.selector(&object.Spec.ServiceSelector, field.NewPath("spec", "serviceSelector"))
	return p
}

// Selects says whether it is about Services of its namespace with these labels.
func (p *Policy) Selects(service map[string]string) bool {
	return p.services.Matches(labels.Set(service))
}

// Services selects the Services of its namespace that it is about.
func (p *Policy) Services() labels.Selector { return p.services }

// SelectsPort says whether it is about a selected Service's port of that name.
func (p *Policy) SelectsPort(name string) bool {
	return len(p.Ports) == 0 || slices.Contains(p.Ports, name)
}

// GrantsOn says whether it lets anybody in on a node with these labels.
func (p *Policy) GrantsOn(node map[string]string) bool {
	return len(p.Problems) == 0 && p.nodes.Matches(labels.Set(node))
}

// GrantsAt says whether it lets anybody in by an interface at an address of the node. Interface "" is one that no
// NodePortAccess names.
func (p *Policy) GrantsAt(iface string, address netip.Addr) bool {
	return (len(p.Interfaces) == 0 || slices.Contains(p.Interfaces, iface)) &&
		(len(p.Addresses) == 0 || slices.ContainsFunc(p.Addresses, func(r netip.Prefix) bool { return r.Contains(address) }))
}

// Everywhere says whether it lets in by every interface and at every address of the nodes that it is about.
func (p *Policy) Everywhere() bool { return len(p.Interfaces)+len(p.Addresses) == 0 }
