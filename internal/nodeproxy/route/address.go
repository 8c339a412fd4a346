package route

import (
	"net/netip"
	"slices"
	"strings"
)

// Addresses of objects that are older than today's validation may have leading zeros (010.0.0.1), which Kubernetes
// reads as decimal and netip refuses. What cannot be read at all is left out, as kube-proxy does.

// parseAddr reads an address; false for what is none.
func parseAddr(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	addr, err := netip.ParseAddr(text)
	if err != nil {
		addr, err = netip.ParseAddr(withoutLeadingZeros(text))
	}
	return addr.Unmap(), err == nil && addr.Zone() == ""
}

// parsePrefix reads a CIDR, with or without bits beyond its length; false for what is none.
func parsePrefix(text string) (netip.Prefix, bool) {
	text = strings.TrimSpace(text)
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		prefix, err = netip.ParsePrefix(withoutLeadingZeros(text))
	}
	return prefix.Masked(), err == nil
}

func withoutLeadingZeros(text string) string {
	parts := strings.Split(text, ".")
	for i, part := range parts {
		for len(part) > 1 && part[0] == '0' && part[1] != '/' {
			part = part[1:]
		}
		parts[i] = part
	}
	return strings.Join(parts, ".")
}

// addrsOf are the addresses of the family among texts.
func addrsOf(family Family, texts []string) []netip.Addr {
	var addrs []netip.Addr
	for _, text := range texts {
		if addr, ok := parseAddr(text); ok && FamilyOf(addr) == family {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// prefixesOf are the CIDRs of the family among texts.
func prefixesOf(family Family, texts []string) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, text := range texts {
		if prefix, ok := parsePrefix(text); ok && FamilyOf(prefix.Addr()) == family {
			prefixes = append(prefixes, prefix)
		}
	}
	return prefixes
}

// outermost leaves out every prefix that another contains: the kernel's interval sets take no overlap.
func outermost(prefixes []netip.Prefix) []netip.Prefix {
	sorted := slices.Clone(prefixes)
	for i, p := range sorted {
		sorted[i] = p.Masked()
	}
	slices.SortFunc(sorted, netip.Prefix.Compare)
	var kept []netip.Prefix
	for _, p := range sorted {
		if len(kept) == 0 || !kept[len(kept)-1].Contains(p.Addr()) {
			kept = append(kept, p)
		}
	}
	return kept
}
