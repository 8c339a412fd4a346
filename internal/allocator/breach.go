package allocator

import (
	"errors"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/internal/rules"
)

// BreachOf is what the user reads where a claim from pools has failed with err; false: the error is ours, or there is
// none.
func BreachOf(err error, c *rules.Chart, l rules.Ledger, q rules.Question, pools []*rules.Pool) (_ rules.Breach, theirs bool) {
	var taken *TakenError
	var over *QuotaError
	switch {
	case errors.Is(err, ErrExhausted):
		return rules.NewBreach(rules.ReasonExhausted, true, rules.Exhausted(l, q, pools), pools...), true
	case errors.As(err, &taken):
		return rules.NewBreach(rules.ReasonTaken, true, rules.Taken(l, q, pools, taken.Request, taken.Holder), c.PoolOf(taken.Request.NodePort)), true
	case errors.As(err, &over):
		return rules.NewBreach(rules.ReasonQuotaExceeded, true, over.refusal(q.Namespace), over.Pool), true
	}
	return rules.Breach{}, false
}

// refusal is the error that a user of the namespace reads.
func (e *QuotaError) refusal(namespace string) *field.Error {
	if e.Unbound {
		return rules.OverUnbound(e.Pool, namespace, e.Limit, e.Used, e.Asked)
	}
	return rules.OverQuota(e.Pool, namespace, e.Limit, e.Used, e.Asked)
}
