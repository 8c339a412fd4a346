package node

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// NodePortAddresses says on which of the node's addresses node ports are served. The zero value: on its primary ones.
type NodePortAddresses struct {
	// Prefixes: on those that lie within, and in a family without a prefix on all, as with kube-proxy. None: primary.
	Prefixes []netip.Prefix
}

// primary is how the primary addresses are asked for.
const primary = "primary"

// ParseNodePortAddresses reads "primary", or prefixes separated by commas. The error says what to write instead.
func ParseNodePortAddresses(text string) (NodePortAddresses, error) {
	if strings.TrimSpace(text) == primary {
		return NodePortAddresses{}, nil
	}
	prefixes, err := parsePrefixes(text)
	if err != nil {
		return NodePortAddresses{}, err
	}
	switch {
	case len(prefixes) == 0:
		return NodePortAddresses{}, fmt.Errorf("no addresses: write %q, or prefixes such as 10.0.0.0/8,fd00::/8", primary)
	case slices.ContainsFunc(prefixes, loopbackOnly):
		return NodePortAddresses{}, errors.New("loopback addresses are not asked for by a prefix: leave it out, and set --nodeport-localhost")
	}
	return NodePortAddresses{prefixes}, nil
}

// loopbackOnly says whether there is nothing but loopback addresses in a prefix.
func loopbackOnly(p netip.Prefix) bool {
	return p.Addr().IsLoopback() && (p.Addr().Is6() || p.Bits() >= 8)
}

func (a NodePortAddresses) String() string {
	if len(a.Prefixes) == 0 {
		return primary
	}
	return joined(a.Prefixes)
}

// parsePrefixes reads prefixes separated by commas; "" is none.
func parsePrefixes(text string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		p, err := parsePrefix(part)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	addr, notAddr := netip.ParseAddr(text)
	switch {
	case text == primary:
		return netip.Prefix{}, fmt.Errorf("%q stands alone: take it out, or take the prefixes out", primary)
	case notAddr == nil:
		return netip.Prefix{}, fmt.Errorf("%s has no length: write %s/%d for this address alone", text, text, addr.BitLen())
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is no prefix: write one such as 10.0.0.0/8 or fd00::/8", text)
	case p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%s is IPv4 in IPv6: write it as IPv4, such as %s/32", text, p.Addr().Unmap())
	}
	return p.Masked(), nil
}

// joined are prefixes as they are written in a flag.
func joined(prefixes []netip.Prefix) string {
	texts := make([]string, len(prefixes))
	for i, p := range prefixes {
		texts[i] = p.String()
	}
	return strings.Join(texts, ",")
}
