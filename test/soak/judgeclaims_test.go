package soak

import (
	"slices"
	"time"
)

// claimChanged takes in a claim as it is now.
func (j *judge) claimChanged(c *change) {
	now := c.claim
	before := j.claims[now.number]
	switch {
	case c.gone && before == nil:
		return // it was there before the history began
	case c.gone:
		delete(j.claims, now.number)
		j.departed[now.number] = departure{c, before}
		j.claimGone(j.departed[now.number])
		return
	case before == nil:
		j.handedOut(c)
	case now.owner() != before.owner():
		j.claimGiven(c, before, now)
	}
	j.claims[now.number] = now
}

// claimGone takes in that there is no claim of a number any more.
func (j *judge) claimGone(d departure) {
	n, owner := d.before.number, d.before.owner()
	if j.carriers[n][owner].promised && !j.withdrawn(d, j.live[owner].by) {
		j.broke(misled, n, d.change, "%s carries it, and its claim has gone", owner)
	}
	if _, reserved := j.reserved[n]; reserved && d.before.spec.ReservationName != "" && !j.native[n] {
		j.broke(broken, n, d.change, "it is reserved for %s, and its claim has gone", owner)
	}
}

// claimGiven takes in that a claim is another Service's now.
func (j *judge) claimGiven(c *change, before, now *claim) {
	n, owner, heir := now.number, before.owner(), now.owner()
	if j.carriers[n][owner].promised {
		j.broke(misled, n, c, "%s carries it, and its claim is for %s", owner, heir)
	}
	_, succeeded := j.carriers[n][heir] // Kubernetes has given it away
	kept := before.spec.ReservationName != "" || before.spec.HoldUntil != nil && owner.Namespace != heir.Namespace
	if kept && !succeeded {
		j.broke(broken, n, c, "it was kept for %s, and is for %s", owner, heir)
	}
}

// undoing is how long a webhook may go on to undo what it did, after it has answered.
const undoing = 6 * time.Second

// departure is a claim that has gone, and when.
type departure struct {
	*change
	before *claim
}

// withdrawn says whether an operation's claim, not bound yet, has gone while another request for the same Service was
// validated: that withdraws what it takes for an earlier attempt's.
func (j *judge) withdrawn(d departure, by string) bool {
	withdrawn := d.before != nil && d.before.spec.ServiceUID == "" && d.at >= j.operations[by].call &&
		slices.ContainsFunc(j.admissions, func(a admission) bool {
			return a.validates && a.service == d.before.owner() && a.operation != by && a.call <= d.at && d.at <= a.back+undoing
		})
	if withdrawn {
		j.counts["claims withdrawn by another request for the same Service, to be adopted"]++
	}
	return withdrawn
}

// handedOut takes in a new claim.
func (j *judge) handedOut(c *change) {
	for name, by := range j.carriers[c.claim.number] {
		if name != c.claim.owner() && by.promised {
			j.broke(misled, c.claim.number, c, "%s carries it, and it is claimed for %s", name, c.claim.owner())
		}
	}
	for _, h := range j.handouts[c.revision] {
		if h.number != c.claim.number || h.owner != c.claim.owner() || h.baseline == 0 {
			continue
		}
		for other, since := range j.carriers[h.number] {
			if other != h.owner && since.since <= h.baseline {
				j.broke(early, h.number, c, "it is claimed for %s by a manager that was started when %s carried it since revision %d", h.owner, other, since.since)
			}
		}
	}
}
