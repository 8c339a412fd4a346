package nodeproxy

import (
	"net/netip"
	"slices"

	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/guard"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// gate is who may go on with connections to a port, at the node's addresses. It does not change once made.
type gate struct {
	guard.Sight
	addresses []netip.Addr
	second    bool // the connections are looked at for the second time
}

// at is the gate for the second look at connections, or the first.
func (g gate) at(second bool) gate {
	g.second = second
	return g
}

// shuts says whether a connection to the port is one that would not be let in any more. What the node itself sends the guard
// does not see, and what is on its way to another node is that one's.
func (g gate) shuts(c conntrack.Connection) bool {
	return slices.Contains(g.addresses, c.To.Addr()) && !slices.Contains(g.addresses, c.Source) && !g.Admits(c.Source, c.To.Addr())
}

// cut looks at connections once, and ends those that are shut by the gates that are looked at.
func (s *sweeper) cut() (n int, err error) {
	s.mu.Lock()
	idle := len(s.looked.gates) == 0
	s.mu.Unlock()
	if idle {
		return 0, nil
	}
	cut, err := s.table.Cut(func(c conntrack.Connection) bool {
		s.mu.Lock()
		g, ok := s.looked.gates[nft.Port{Protocol: nft.Protocol(c.Protocol), Number: c.To.Port()}]
		s.mu.Unlock()
		return ok && g.shuts(c)
	})
	for family := range families {
		s.metrics.Cut(byProtocol(cut, family))
	}
	return cut.Total(), err
}
