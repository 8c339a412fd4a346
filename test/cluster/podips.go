package cluster

import (
	"fmt"
	"net/netip"
	"sync"
)

// podIPs hands out the addresses of one node's Pods, from .2 to .254; .1 is the node's end of every cable. An address
// comes back only after all others had their turn, so that nobody takes a new Pod for one that just ended.
type podIPs struct {
	gateway netip.Addr

	mu   sync.Mutex // guards the fields below
	last byte
	used map[byte]bool
}

func newPodIPs(cidr string) (*podIPs, error) {
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil || prefix.Bits() != 24 || !prefix.Addr().Is4() {
		return nil, fmt.Errorf("%q is not an IPv4 /24", cidr)
	}
	return &podIPs{gateway: prefix.Masked().Addr().Next(), last: 1, used: map[byte]bool{}}, nil
}

func (p *podIPs) take() (netip.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range 253 {
		if p.last++; p.last < 2 || p.last > 254 {
			p.last = 2
		}
		if !p.used[p.last] {
			p.used[p.last] = true
			bytes := p.gateway.As4()
			bytes[3] = p.last
			return netip.AddrFrom4(bytes), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("all 253 Pod addresses beside %s are in use", p.gateway)
}

func (p *podIPs) giveBack(ip netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.used, ip.As4()[3])
}
