package route

import (
	"net/netip"
	"slices"
)

// Policy is a traffic policy: which endpoints traffic may use.
type Policy uint8

// The policies of internalTrafficPolicy and externalTrafficPolicy.
const (
	Cluster Policy = iota
	Local
)

func (p Policy) String() string {
	if p == Local {
		return "Local"
	}
	return "Cluster"
}

// Action is what becomes of a new connection.
type Action uint8

const (
	// Refuse answers at once with a reset or an ICMP error: the client sees ECONNREFUSED.
	Refuse Action = iota
	// Discard drops it without an answer.
	Discard
	// Balance sends it to one of some endpoints, each as likely.
	Balance
)

func (a Action) String() string { return [...]string{"refuse", "discard", "balance"}[a] }

// Target is where traffic under a policy goes.
type Target struct {
	Policy Policy
	Action Action
	// Endpoints share the connections; sorted, and there are some if Action is Balance.
	Endpoints []netip.AddrPort
}

// choice is the endpoints of one port in one family, and the targets made of them so far.
type choice struct {
	endpoints []endpoint
	targets   [2]*Target
}

// target is where traffic under the policy goes.
func (c *choice) target(policy Policy) Target {
	if c.targets[policy] == nil {
		c.targets[policy] = &Target{Policy: policy}
		c.targets[policy].aim(c.endpoints)
	}
	return *c.targets[policy]
}

// aim chooses among the endpoints by the target's policy.
func (t *Target) aim(endpoints []endpoint) {
	switch t.Endpoints = usable(endpoints, t.Policy); {
	case len(t.Endpoints) > 0:
		t.Action = Balance
	case len(usable(endpoints, Cluster)) > 0:
		t.Action = Discard // another node has some
	default:
		t.Action = Refuse
	}
}

// usable are the endpoints that traffic under the policy uses.
func usable(endpoints []endpoint, policy Policy) []netip.AddrPort {
	inTopology, allowed := available(endpoints), func(endpoint) bool { return true }
	if policy == Local {
		inTopology = allowed
		allowed = func(e endpoint) bool { return e.local }
	}
	ready := addressesIf(endpoints, func(e endpoint) bool { return e.ready && allowed(e) && inTopology(e) })
	if len(ready) > 0 {
		return ready
	}
	// Were any ready, hints would have applied only with one of them in the topology.
	return addressesIf(endpoints, func(e endpoint) bool { return e.lasting() && allowed(e) })
}

// local are the endpoints on this node that a target made so far leads to.
func (c *choice) local() []netip.AddrPort {
	return addressesIf(c.endpoints, func(e endpoint) bool {
		return e.local && slices.ContainsFunc(c.targets[:], func(t *Target) bool { return t.leadsTo(e.addr) })
	})
}

func (t *Target) leadsTo(addr netip.AddrPort) bool {
	if t == nil {
		return false
	}
	_, found := slices.BinarySearchFunc(t.Endpoints, addr, netip.AddrPort.Compare)
	return found
}

// serving are the endpoints whose flows go on, whatever policy or topology new connections follow. Where addresses
// that are not ready are published, ready counts too: their flows were sent there on purpose.
func (c *choice) serving() []netip.AddrPort {
	return addressesIf(c.endpoints, func(e endpoint) bool { return e.serving || e.ready })
}

func addressesIf(endpoints []endpoint, fits func(endpoint) bool) []netip.AddrPort {
	count := 0
	for _, e := range endpoints {
		if fits(e) {
			count++
		}
	}
	if count == 0 {
		return nil
	}
	addrs := make([]netip.AddrPort, 0, count)
	for _, e := range endpoints {
		if fits(e) {
			addrs = append(addrs, e.addr)
		}
	}
	return addrs
}
