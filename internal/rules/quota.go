package rules

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/internal/serviceports"
)

// minUnbound is how many numbers that no Service carries a namespace may have of a pool without a quota, and a tenth
// of the pool if that is more: else one namespace could squat on all of it with claims, holds and reservations.
const minUnbound = 8

// Allowance is how many numbers of the pool a namespace may have: all that it claims, or, where the pool has no quota,
// only those that no Service carries (unbound). It is negative where nothing is enforced.
func (p *Pool) Allowance() (limit int, unbound bool) {
	switch {
	case !p.Enforces():
		return -1, false
	case p.Spec.MaxPortsPerNamespace != nil:
		return int(*p.Spec.MaxPortsPerNamespace), false
	}
	return max(minUnbound, p.Numbers.Len()/10), true
}

// spent says whether the namespace has all numbers of the pool that its quota allows.
func (p *Pool) spent(l Ledger, namespace string) bool {
	limit := p.Spec.MaxPortsPerNamespace
	return limit != nil && l.Used(namespace, p) >= int(*limit)
}

// OverQuota is the refusal of numbers that a namespace may not have in addition to those it uses.
func OverQuota(pool *Pool, namespace string, limit, used, asked int) *field.Error {
	return field.Forbidden(allPorts, fmt.Sprintf(
		"pool %q allows %d node ports in a namespace, %s used and %s asked for; give one up that is not needed (kubectl get npu -n %s), or ask an operator for more",
		pool.Name, limit, are(used, ""), are(asked, " more"), namespace))
}

// OverUnbound is the refusal of numbers to a namespace that has too many which no Service carries.
func OverUnbound(pool *Pool, namespace string, limit, unbound, asked int) *field.Error {
	of := fmt.Sprintf("of pool %q", pool.Name)
	if pool.Commons() {
		of = "of no pool"
	}
	return field.Forbidden(allPorts, fmt.Sprintf(
		"namespace %q may have %d node ports %s that no Service carries: %s claimed, held or reserved and %s asked for; try again in a minute",
		namespace, limit, of, are(unbound, ""), are(asked, " more")))
}

// are is "1 is" or "2 are", with a word after the number.
func are(n int, word string) string {
	if n == 1 {
		return "1" + word + " is"
	}
	return fmt.Sprintf("%d%s are", n, word)
}

// quotasOfWarningPools warns where a pool of the namespace that only warns has a limit and the namespace would be over
// it. Another's limit is not for it to know. Limits that are enforced are kept where numbers are claimed.
func (j *judge) quotasOfWarningPools() {
	for _, p := range j.pools {
		if p.Enforces() || p.Spec.MaxPortsPerNamespace == nil {
			continue
		}
		used, asked := j.ledger.Used(j.Namespace, p), 0
		for _, r := range j.answer.New {
			if p.Numbers.Contains(r.NodePort) {
				asked++
				if holders := j.ledger.Holders(r.NodePort); len(holders) > 0 && holders[0].Service == j.service() {
					used-- // claimed by an earlier call of this very request
				}
			}
		}
		if limit := int(*p.Spec.MaxPortsPerNamespace); asked > 0 && used+asked > limit {
			j.answer.breach(NewBreach(ReasonQuotaExceeded, false, OverQuota(p, j.Namespace, limit, used, asked), p))
		}
	}
}

// service is the name of the Service that is judged.
func (j *judge) service() types.NamespacedName {
	return types.NamespacedName{Namespace: j.Namespace, Name: j.Service.Name}
}

// promised says whether a reservation keeps a number for the very Service that is judged: it was judged then. Another
// reservation does not get it by that.
func (j *judge) promised(r serviceports.Request) bool {
	holders := j.ledger.Holders(r.NodePort)
	return len(holders) > 0 && holders[0].Service == j.service() && holders[0].Reservation != "" &&
		(j.Reservation == "" || j.Reservation == holders[0].Reservation)
}
