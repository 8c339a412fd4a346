package inventory

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/access"
)

var (
	everyIPv4 = netip.MustParsePrefix("0.0.0.0/0")
	everyIPv6 = netip.MustParsePrefix("::/0")
)

// every is everybody of a family, that of an address.
func every(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return everyIPv4
	}
	return everyIPv6
}

// keepers are who says who may reach a port.
type keepers struct {
	policies map[string][]*access.Policy // by namespace
	pools    []*access.Pool              // who owns a number before who has it too
	known    map[string][]netip.Prefix   // who may, for the same policies, pool and family
}

func newKeepers(c *Cluster) *keepers {
	k := &keepers{policies: map[string][]*access.Policy{}, known: map[string][]netip.Prefix{}}
	for i := range c.Accesses {
		a := &c.Accesses[i]
		k.policies[a.Namespace] = append(k.policies[a.Namespace], access.NewPolicy(a))
	}
	for i := range c.Pools {
		k.pools = append(k.pools, access.NewPool(&c.Pools[i]))
	}
	slices.SortFunc(k.pools, (*access.Pool).Compare)
	return k
}

// doors of a port at nodes: addresses at which the same sources may reach it are one. Those of nobody are none. ok is false
// where nobody says who may.
func (k *keepers) doors(svc *corev1.Service, port string, number int32, nodes []Node) (doors []Door, ok bool) {
	var selecting []*access.Policy
	for _, p := range k.policies[svc.Namespace] {
		if p.Selects(svc.Labels) && p.SelectsPort(port) {
			selecting = append(selecting, p)
		}
	}
	ceiling := k.ceiling(number)
	if len(selecting) == 0 && ceiling == nil {
		return nil, false
	}
	return group(nodes, func(n Node, a netip.Addr) []netip.Prefix {
		if len(selecting) == 0 {
			return k.sources(svc.Namespace, nil, false, ceiling, a)
		}
		granting := slices.DeleteFunc(slices.Clone(selecting), func(p *access.Policy) bool {
			return !p.GrantsOn(n.labels) || len(p.Addresses) > 0 &&
				!slices.ContainsFunc(p.Addresses, func(r netip.Prefix) bool { return r.Contains(a) })
		})
		return k.sources(svc.Namespace, granting, true, ceiling, a)
	}), true
}

// ceiling is the pool that owns a number, if that says who may reach its numbers.
func (k *keepers) ceiling(number int32) *access.Pool {
	at := slices.IndexFunc(k.pools, func(p *access.Pool) bool { return p.Has(uint16(number)) }) //nolint:gosec // a port of the API server
	if at < 0 || !k.pools[at].Capped {
		return nil
	}
	return k.pools[at]
}

// sources are who may, of the family of an address.
func (k *keepers) sources(namespace string, granting []*access.Policy, selected bool, ceiling *access.Pool, a netip.Addr) []netip.Prefix {
	var key strings.Builder
	fmt.Fprint(&key, namespace, " ", selected, a.Is4())
	for _, p := range granting {
		key.WriteString(" " + p.Name.Name)
	}
	if ceiling != nil {
		key.WriteString(" /" + ceiling.Name)
	}
	ranges, ok := k.known[key.String()]
	if !ok {
		ranges = sources(granting, selected, ceiling, every(a))
		k.known[key.String()] = ranges
	}
	return ranges
}

// open are doors for everybody.
func open(nodes []Node) []Door {
	return group(nodes, func(_ Node, a netip.Addr) []netip.Prefix {
		return []netip.Prefix{every(a)}
	})
}

// group makes doors of the addresses of nodes; those of IPv4 come first.
func group(nodes []Node, from func(Node, netip.Addr) []netip.Prefix) []Door {
	var doors []Door
	for _, family := range []families{{ipv4: true}, {ipv6: true}} {
		first := len(doors)
		for _, n := range nodes {
			for _, a := range n.Addresses {
				if family.has(a) {
					doors = enter(doors, first, a, from(n, a))
				}
			}
		}
	}
	return doors
}

// enter adds an address to the door, of those from first on, of the same sources.
func enter(doors []Door, first int, a netip.Addr, from []netip.Prefix) []Door {
	if len(from) == 0 {
		return doors
	}
	for i := first; i < len(doors); i++ {
		if slices.Equal(doors[i].From, from) {
			doors[i].Addresses = append(doors[i].Addresses, a)
			return doors
		}
	}
	return append(doors, Door{Addresses: []netip.Addr{a}, From: from})
}
