package rules

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/internal/serviceports"
)

// Reason says in a word which rule a Service breaks. Metrics and events tell breaches apart by it.
type Reason string

// All reasons there are.
const (
	ReasonOutsideClusterRange Reason = "OutsideClusterRange" // a number that the API server does not serve
	ReasonOutsideRanges       Reason = "OutsideRanges"       // a number of no pool, and the namespace has pools
	ReasonForeignPool         Reason = "ForeignPool"         // a number of a pool that does not select the namespace
	ReasonNotInNamedPool      Reason = "NotInNamedPool"      // number and annotation disagree
	ReasonUnknownPool         Reason = "UnknownPool"         // the annotation names no pool of the namespace
	ReasonDraining            Reason = "Draining"            // the pool hands out nothing new
	ReasonNotAutomatic        Reason = "NotAutomatic"        // the pool gives no number by itself
	ReasonTooManyPorts        Reason = "TooManyPorts"        // more than a Service may have
	ReasonQuotaExceeded       Reason = "QuotaExceeded"       // more than the namespace may have
	ReasonTaken               Reason = "Taken"               // a number that another Service has
	ReasonExhausted           Reason = "Exhausted"           // no number is free
	ReasonExternalName        Reason = "ExternalName"        // a number that Kubernetes would not allocate
	ReasonDuplicate           Reason = "Duplicate"           // a number twice in the Service
)

// Breach is a rule that a Service breaks.
type Breach struct {
	Reason Reason
	// Pools are those whose rule it is, never the commons: several where a namespace has several, or where it asks for
	// a number of another's. None: it is a rule of Kubernetes, or one that holds without pools.
	Pools []*Pool
	// Enforced: it is refused; else its user is warned.
	Enforced bool
	// Err is what the user reads.
	Err *field.Error
}

// NewBreach leaves the commons out of pools, and what is no pool.
func NewBreach(reason Reason, enforced bool, err *field.Error, pools ...*Pool) Breach {
	return Breach{Reason: reason, Pools: named(pools), Enforced: enforced, Err: err}
}

func named(pools []*Pool) []*Pool {
	return slices.DeleteFunc(slices.Clone(pools), func(p *Pool) bool { return p == nil || p.Commons() })
}

func (a *Answer) breach(b Breach) {
	a.Breaches = append(a.Breaches, b)
	if b.Enforced {
		a.Errors = append(a.Errors, b.Err)
		return
	}
	a.warn("%s", b.Err.Error())
}

func (a *Answer) refuse(reason Reason, err *field.Error, pools ...*Pool) {
	a.breach(NewBreach(reason, true, err, pools...))
}

// LiveBreaches are the rules that a live Service breaks: its namespace would not be given these numbers, or so many,
// today. It had them before Portolan or the pool came, before a selector, a label or a range changed, or was only
// warned. It keeps them. What is said of them does not change with what is free.
func LiveBreaches(c *Chart, q Question) []Breach {
	j := judge{chart: c, ledger: Quiet{}, Question: q, pools: c.PoolsFor(q.NamespaceLabels)}
	j.answer.Pools = j.pools
	var breaches []Breach
	for _, r := range serviceports.Requests(q.Service) {
		if r.NodePort == 0 {
			continue
		}
		if b := j.misplaced(r); b != nil {
			breaches = append(breaches, *b)
		}
	}
	if b := j.tooManyPorts(); b != nil {
		breaches = append(breaches, *b)
	}
	return breaches
}
