package inventory

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
)

// Ranges are worked out once and for all; an address of which they say nothing else than the objects themselves is the proof.
func TestRangesHaveWhomAccessAndPoolLetInAndNobodyElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cidrs := rapid.Custom(func(t *rapid.T) string {
			bits := rapid.IntRange(24, 32).Draw(t, "bits")
			return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, rapid.Byte().Draw(t, "address")}), bits).Masked().String()
		})
		var policies []*access.Policy
		for i := range rapid.IntRange(0, 3).Draw(t, "policies") {
			object := allow(fmt.Sprint("shop/", i), rapid.SliceOfN(cidrs, 0, 3).Draw(t, "from")...)
			for j := range object.Spec.From {
				object.Spec.From[j].IPBlock.Except = drawn(rapid.SliceOfN(cidrs, 0, 2).Draw(t, "except"))
			}
			policies = append(policies, access.NewPolicy(&object))
		}
		var ceiling *access.Pool
		if rapid.Bool().Draw(t, "capped") {
			object := pool("a", 30000, 30099)
			object.Spec.Access = &v1alpha1.PoolAccess{From: peers(rapid.SliceOfN(cidrs, 0, 3).Draw(t, "ceiling"))}
			ceiling = access.NewPool(&object)
		}
		selected := rapid.Bool().Draw(t, "selected")
		if !selected {
			policies = nil
		}

		ranges := sources(policies, selected, ceiling, everyIPv4)
		for last := range 256 {
			a := netip.AddrFrom4([4]byte{10, 0, 0, byte(last)})
			has := slices.IndexFunc(ranges, func(r netip.Prefix) bool { return r.Contains(a) }) >= 0
			if want := letsIn(policies, selected, ceiling, a); has != want {
				t.Fatalf("%s is in %v: %t, want %t", a, ranges, has, want)
			}
		}
		for i, r := range ranges {
			if i > 0 && (ranges[i-1].Overlaps(r) || ranges[i-1].Compare(r) >= 0) {
				t.Fatalf("%v: not ascending, or they share an address", ranges)
			}
		}
	})
}

func drawn(cidrs []string) []v1alpha1.CIDR {
	var all []v1alpha1.CIDR
	for _, c := range cidrs {
		all = append(all, v1alpha1.CIDR(c))
	}
	return all
}

// letsIn asks the objects, as a node's guard reads them.
func letsIn(policies []*access.Policy, selected bool, ceiling *access.Pool, a netip.Addr) bool {
	has := func(blocks []access.Block) bool {
		return slices.ContainsFunc(blocks, func(b access.Block) bool { return b.Contains(a) })
	}
	granted := !selected || slices.ContainsFunc(policies, func(p *access.Policy) bool { return len(p.Sources) == 0 || has(p.Sources) })
	return granted && (ceiling == nil || has(ceiling.Sources))
}
