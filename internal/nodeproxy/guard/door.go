package guard

import (
	"slices"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// door is a port that Services have, and the acl at each of its spots.
type door struct {
	nft.Port
	// claimants are the Services that have it, the older first: it goes by that one's labels and name for it.
	claimants []*service
	// places are as opinions has them; none: the door is open.
	places []place
}

// place is a spot with the acl that is in force there.
type place struct {
	spot
	acl *acl
}

func (d *door) claim(s *service) {
	d.claimants = append(d.claimants, s)
	slices.SortStableFunc(d.claimants, (*service).before)
}

func (d *door) giveUp(s *service) {
	d.claimants = slices.DeleteFunc(d.claimants, func(o *service) bool { return o == s })
}

// guarded says whether it is not open to everybody.
func (d *door) guarded() bool { return len(d.places) > 0 }

// elements lead to its acls.
func (d *door) elements() []nft.Element {
	var all []nft.Element
	for _, p := range d.places {
		all = append(all, p.elements(d.Port, p.acl.id)...)
	}
	return all
}

// Sight is who reaches a port at one moment; the nil Sight is that of an open one. It does not change, and may be asked
// concurrently.
type Sight []seen

// seen is the content in force at a spot.
type seen struct {
	spot
	content *content
}

func (d *door) sight() Sight {
	all := make(Sight, len(d.places))
	for i, p := range d.places {
		all[i] = seen{p.spot, p.acl.content}
	}
	return all
}

// at is what is in force at a spot, by the kernel's order of lookups; nil where the door is open.
func (s Sight) at(want spot) *content {
	for {
		for _, p := range s {
			if p.spot == want {
				return p.content
			}
		}
		if want == (spot{}) {
			return nil
		}
		want = want.around()
	}
}

// loses says whether there may be a source that is let in somewhere by what was seen, and not there any more by what is.
func (s Sight) loses(now Sight) bool {
	lost := func(at spot) bool { return s.at(at).loses(now.at(at)) }
	return lost(spot{}) ||
		slices.ContainsFunc(s, func(p seen) bool { return lost(p.spot) }) ||
		slices.ContainsFunc(now, func(p seen) bool { return lost(p.spot) })
}
