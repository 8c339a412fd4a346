package format

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/cli/export/inventory"
)

// opening is what a firewall lets through: the same sources to the same addresses, at some numbers. There are as many as
// there are different pairs of both, which are few, while ports are many.
type opening struct {
	inventory.Door
	numbers []allowed
}

// allowed is a number that is let through.
type allowed struct {
	protocol corev1.Protocol
	number   int32
	origin   string
}

func (a allowed) compare(o allowed) int {
	return cmp.Or(cmp.Compare(a.number, o.number), cmp.Compare(a.protocol, o.protocol), cmp.Compare(a.origin, o.origin))
}

// keyword is the protocol as firewalls name it.
func (a allowed) keyword() string { return strings.ToLower(string(a.protocol)) }

// openings are in the order in which ports need them, their numbers ascending. A number that two Services carry, which is a
// conflict, is there once, with both their names.
func openings(inv *inventory.Inventory) []*opening {
	var all []*opening
	known := map[string]*opening{}
	add := func(doors []inventory.Door, a allowed) {
		for _, d := range doors {
			key := strings.Join(texts(d.Addresses), " ") + " from " + strings.Join(texts(d.From), " ")
			o := known[key]
			if o == nil {
				o = &opening{Door: d}
				known[key] = o
				all = append(all, o)
			}
			o.numbers = append(o.numbers, a)
		}
	}
	for i := range inv.Ports {
		p := &inv.Ports[i]
		add(p.Doors, allowed{p.Protocol, p.Number, origin(p)})
	}
	for _, c := range inv.Checks {
		add(c.Doors, allowed{corev1.ProtocolTCP, c.Number, c.Namespace + "/" + c.Service + " health check"})
	}
	for _, o := range all {
		o.numbers = merged(o.numbers)
	}
	return all
}

func merged(numbers []allowed) []allowed {
	slices.SortFunc(numbers, allowed.compare)
	var all []allowed
	for _, n := range numbers {
		if last := len(all) - 1; last >= 0 && all[last].number == n.number && all[last].protocol == n.protocol {
			all[last].origin += ", " + n.origin
			continue
		}
		all = append(all, n)
	}
	return all
}

// shut writes a comment for each port that nobody may reach.
func (w *writer) shut(indent string) {
	for i := range w.inv.Ports {
		p := &w.inv.Ports[i]
		switch {
		case len(p.Nodes) == 0:
			w.f("%s# %s: no node has it\n", indent, described(p))
		case len(p.Doors) == 0:
			w.f("%s# %s: nobody may reach it\n", indent, described(p))
		}
	}
}

// nodesAt says which nodes have the addresses.
func (w *writer) nodesAt(addresses []netip.Addr) string {
	var names []string
	at := map[netip.Addr]bool{}
	for _, a := range addresses {
		at[a] = true
	}
	for _, n := range w.inv.Nodes {
		if slices.ContainsFunc(n.Addresses, func(a netip.Addr) bool { return at[a] }) {
			names = append(names, n.Name)
		}
	}
	return strings.Join(names, ", ")
}

func number(n int32) string { return strconv.Itoa(int(n)) }
