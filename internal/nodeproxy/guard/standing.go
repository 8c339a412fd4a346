package guard

import (
	"net/netip"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// Standing is who has a say at a port, for whoever tells people what the guard does.
type Standing struct {
	// Service is whose port it is.
	Service types.NamespacedName
	// Pool is the name of the one whose access is the ceiling; "": there is none.
	Pool string
	// Policies are the names of the NodePortAccess in the Service's namespace that are about the port, sorted.
	Policies []string
	// Places are those with sources of their own, the first of which is everywhere else; none: the port is open.
	Places []Place
}

// Place is where connections to a port come in.
type Place struct {
	// Address is one of the node's; the zero Addr is every one that no other Place of the port has.
	Address netip.Addr
	// Interface is by which they come; "" is every one that no other Place of the port has for the address.
	Interface string
	// Policies are the names of the NodePortAccess that let in here.
	Policies []string
	// Entries is how many ranges of sources the kernel's table has for it; 0: nobody is let in.
	Entries int
}

// Standing is who has a say at a port; false where no Service has it.
func (p *Planner) Standing(port nft.Port) (Standing, bool) {
	d := p.doors[port]
	if d == nil {
		return Standing{}, false
	}
	s := Standing{Service: d.claimants[0].name, Policies: namesOf(p.selecting(d))}
	if ceiling := p.ceiling(port.Number); ceiling != nil {
		s.Pool = ceiling.Name
	}
	for _, at := range d.places {
		s.Places = append(s.Places, Place{
			Address: at.address, Interface: at.iface, Policies: namesOf(at.acl.policies), Entries: len(at.acl.entries),
		})
	}
	return s, true
}

func namesOf(policies []*access.Policy) []string {
	var names []string
	for _, p := range policies {
		names = append(names, p.Name.Name)
	}
	return names
}

// Tally counts what is planned.
type Tally struct {
	// Ports are those that Services have, Guarded those of them that are not open to everybody.
	Ports, Guarded int
	// Lists are those of sources, Entries the ranges in all of them.
	Lists, Entries int
}

// Tally counts what is planned. It looks at every port and list.
func (p *Planner) Tally() Tally {
	t := Tally{Ports: len(p.doors), Lists: len(p.acls)}
	for _, d := range p.doors {
		if d.guarded() {
			t.Guarded++
		}
	}
	for _, a := range p.acls {
		t.Entries += len(a.entries)
	}
	return t
}
