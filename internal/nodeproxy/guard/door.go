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
	// places are as hearing.opinions has them; none: the door is open.
	places []place
	// namespace is whose room it takes; it pays for as many spots, besides its lists.
	namespace string
	spots     int
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

// Sight is who reaches a port at one moment: the content in force at each spot; the nil Sight is that of an open one. It
// does not change, and may be asked concurrently.
type Sight map[spot]*content

func (d *door) sight() Sight {
	all := make(Sight, len(d.places))
	for _, p := range d.places {
		all[p.spot] = p.acl.content
	}
	return all
}

// at is what is in force at a spot, by the kernel's order of lookups; nil where the door is open.
func (s Sight) at(want spot) *content {
	for {
		if c, ok := s[want]; ok || want == (spot{}) {
			return c
		}
		want = want.around()
	}
}

// loses says whether there may be a source that is let in somewhere by what was seen, and not there any more by what is.
func (s Sight) loses(now Sight) bool {
	type change struct{ before, after *content }
	changes := map[change]bool{} // few: spots mostly change alike
	note := func(at spot) { changes[change{s.at(at), now.at(at)}] = true }
	note(spot{})
	for at := range s {
		note(at)
	}
	for at := range now {
		note(at)
	}
	for c := range changes {
		if c.before != c.after && c.before.loses(c.after) {
			return true
		}
	}
	return false
}
