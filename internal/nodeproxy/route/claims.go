package route

import (
	"cmp"
	"slices"
)

// claims say which Service has each frontend. Two may claim one, most often an external IP and port: the Service
// whose cluster IP it is has it, else the older one, and when that gives it up the next.
type claims struct {
	holders map[Frontend]*served
	// contested are all claimants of a frontend that has more than one, the holder first.
	contested map[Frontend][]*served
}

func newClaims() claims {
	return claims{holders: map[Frontend]*served{}, contested: map[Frontend][]*served{}}
}

func (c claims) claim(f Frontend, s *served) {
	holder, held := c.holders[f]
	if !held {
		c.holders[f] = s
		return
	}
	all := c.contested[f]
	if all == nil {
		all = []*served{holder}
	}
	c.settle(f, append(all, s))
}

func (c claims) giveUp(f Frontend, s *served) {
	all, contested := c.contested[f]
	if !contested {
		delete(c.holders, f)
		return
	}
	c.settle(f, slices.DeleteFunc(all, func(o *served) bool { return o == s }))
}

// settle gives a frontend to the first of its claimants.
func (c claims) settle(f Frontend, all []*served) {
	slices.SortFunc(all, func(a, b *served) int { return a.before(b, f) })
	c.holders[f] = all[0]
	c.contested[f] = all
	if len(all) == 1 {
		delete(c.contested, f)
	}
}

// before orders the claimants of a frontend.
func (s *served) before(o *served, f Frontend) int {
	return cmp.Or(
		cmp.Compare(truth(s.front(f).kind != ClusterIP), truth(o.front(f).kind != ClusterIP)),
		s.created.Compare(o.created),
		cmp.Compare(s.name.Namespace, o.name.Namespace),
		cmp.Compare(s.name.Name, o.name.Name),
	)
}

// among are the conflicts at a frontend that a Service takes part in.
func (c claims) among(f Frontend, s *served) []Conflict {
	var conflicts []Conflict
	all := c.contested[f]
	for _, loser := range all[min(1, len(all)):] {
		if all[0] == s || loser == s {
			conflicts = append(conflicts, Conflict{Frontend: f, Winner: all[0].name, Loser: loser.name})
		}
	}
	return conflicts
}
