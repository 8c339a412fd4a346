package route

import (
	"net/netip"
	"strings"

	netutils "k8s.io/utils/net"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// Addresses of objects that are older than today's validation may have leading zeros (010.0.0.1, 10.0.0.0/08), which
// Kubernetes reads as decimal and netip refuses. What cannot be read at all is left out, as kube-proxy does.

// parseAddr reads an address; false for what is none.
func parseAddr(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	addr, err := netip.ParseAddr(text)
	if err != nil {
		addr, _ = netip.AddrFromSlice(netutils.ParseIPSloppy(text))
	}
	return addr.Unmap(), addr.IsValid() && addr.Zone() == ""
}

// parsePrefix reads a CIDR, with or without bits beyond its length, as IPv4 where it is that in IPv6; false for what is
// none.
func parsePrefix(text string) (netip.Prefix, bool) {
	text = strings.TrimSpace(text)
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		prefix = parseSloppily(text)
	}
	if a := prefix.Addr(); a.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), prefix.IsValid()
}

// parseSloppily reads a CIDR as Kubernetes does; the zero value for what is none.
func parseSloppily(text string) netip.Prefix {
	_, network, err := netutils.ParseCIDRSloppy(text)
	if err != nil {
		return netip.Prefix{}
	}
	addr, _ := netip.AddrFromSlice(network.IP)
	length, _ := network.Mask.Size()
	return netip.PrefixFrom(addr, length)
}

// addrsOf are the addresses of the family among texts.
func addrsOf(family nft.Family, texts []string) []netip.Addr {
	var addrs []netip.Addr
	for _, text := range texts {
		if addr, ok := parseAddr(text); ok && nft.FamilyOf(addr) == family {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// prefixesOf are the CIDRs of the family among texts.
func prefixesOf(family nft.Family, texts []string) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, text := range texts {
		if prefix, ok := parsePrefix(text); ok && nft.FamilyOf(prefix.Addr()) == family {
			prefixes = append(prefixes, prefix)
		}
	}
	return prefixes
}
