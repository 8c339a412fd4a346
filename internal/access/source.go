package access

import (
	"fmt"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Block is a range of addresses without parts of it. A part that is not in the range takes nothing away.
type Block struct {
	CIDR   netip.Prefix
	Except []netip.Prefix
}

// Contains says whether an address is in the range and in none of the excepted parts.
func (b Block) Contains(a netip.Addr) bool {
	return b.CIDR.Contains(a) && !slices.ContainsFunc(b.Except, func(e netip.Prefix) bool { return e.Contains(a) })
}

// Equal says whether two blocks are written alike.
func (b Block) Equal(o Block) bool { return b.CIDR == o.CIDR && slices.Equal(b.Except, o.Except) }

func blocks(peers []v1alpha1.AccessPeer, at *field.Path) ([]Block, field.ErrorList) {
	var all []Block
	var errs field.ErrorList
	for i, peer := range peers {
		at := at.Index(i).Child("ipBlock")
		cidr, err := prefix(peer.IPBlock.CIDR, at.Child("cidr"))
		if err != nil {
			errs = append(errs, err)
		}
		except, bad := prefixes(peer.IPBlock.Except, at.Child("except"))
		errs = append(errs, bad...)
		all = append(all, Block{CIDR: cidr, Except: except})
	}
	return all, errs
}

func prefixes(cidrs []v1alpha1.CIDR, at *field.Path) ([]netip.Prefix, field.ErrorList) {
	var all []netip.Prefix
	var errs field.ErrorList
	for i, cidr := range cidrs {
		p, err := prefix(cidr, at.Index(i))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, p)
	}
	return all, errs
}

// prefix is as strict as the API server: nothing that two readers could take for two things.
func prefix(cidr v1alpha1.CIDR, at *field.Path) (netip.Prefix, *field.Error) {
	p, err := netip.ParsePrefix(string(cidr))
	switch {
	case err != nil:
		return netip.Prefix{}, field.Invalid(at, cidr, "must be a range of addresses such as 203.0.113.0/24 or 2001:db8::/32")
	case p.Addr().Is4In6():
		return netip.Prefix{}, field.Invalid(at, cidr, "must not be an IPv4 address in an IPv6 one")
	case p != p.Masked():
		return netip.Prefix{}, field.Invalid(at, cidr, fmt.Sprintf("has bits set after its prefix: did you mean %s?", p.Masked()))
	}
	return p, nil
}

// SourcesText is who a NodePortAccess lets in, in at most 128 characters: "203.0.113.0/24 and 3 more".
func SourcesText(from []v1alpha1.AccessPeer) string {
	if len(from) == 0 {
		return "anywhere"
	}
	text := string(from[0].IPBlock.CIDR)
	switch except := from[0].IPBlock.Except; len(except) {
	case 0:
	case 1:
		text += " except " + string(except[0])
	default:
		text += fmt.Sprintf(" except %d ranges", len(except))
	}
	if more := len(from) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
