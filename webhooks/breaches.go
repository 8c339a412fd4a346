package webhooks

import (
	"context"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/decision"
	"github.com/portolan-dev/portolan/internal/metrics"
	"github.com/portolan-dev/portolan/internal/rules"
)

// admitted says to a pool's operator what kind of Service got through with a warning. It names no tenant: events of
// objects without a namespace are in "default".
var admitted = map[rules.Reason]string{
	rules.ReasonOutsideRanges:  "a number of no pool",
	rules.ReasonForeignPool:    "a number of a pool that does not select its namespace",
	rules.ReasonNotInNamedPool: "a number of another pool than its annotation names",
	rules.ReasonDraining:       "a number, or the wish for one, of a pool that hands out nothing new",
	rules.ReasonNotAutomatic:   "no number, of a pool that gives none by itself",
	rules.ReasonTooManyPorts:   "more node ports than it may have",
	rules.ReasonQuotaExceeded:  "more node ports than its namespace may have",
	rules.ReasonExhausted:      "a number that Kubernetes picked, since its pools had none",
}

// report tells operators of the rules that a Service broke: by metrics, and where it got through by an event of each
// pool. A dry-run breaks nothing.
func (d *desk) report(ctx context.Context, q rules.Question, breaches ...rules.Breach) {
	if isDryRun(ctx) {
		return
	}
	for _, b := range breaches {
		enforced := strconv.FormatBool(b.Enforced)
		if len(b.Pools) == 0 {
			metrics.AdmissionBreaches.WithLabelValues("", string(b.Reason), enforced).Inc()
		}
		for _, p := range b.Pools {
			metrics.AdmissionBreaches.WithLabelValues(p.Name, string(b.Reason), enforced).Inc()
			if !b.Enforced {
				d.tellOperator(ctx, p.Name, b.Reason)
			}
		}
		if !b.Enforced {
			logf.FromContext(ctx).Info("Admitted with a warning", "service", decision.ServiceOf(q), "reason", b.Reason, "warning", b.Err.Error())
		}
	}
}

// tellOperator makes an event. Those of one pool and reason are one series: the reference has no resourceVersion, which
// would tell them apart.
func (d *desk) tellOperator(ctx context.Context, pool string, reason rules.Reason) {
	found := &v1alpha1.NodePortPool{}
	if err := d.cached.Get(ctx, client.ObjectKey{Name: pool}, found); err != nil {
		return // it has just been deleted
	}
	regarding := &v1alpha1.NodePortPool{}
	regarding.Name, regarding.UID = found.Name, found.UID
	d.events.Eventf(regarding, nil, corev1.EventTypeWarning, string(reason), "Admit", "admitted with a warning: a Service with %s", admitted[reason])
}

// refused is the refusal of a Service whose numbers could not be claimed, reported, if the reason is the user's; any
// other error is ours.
func (d *desk) refused(ctx context.Context, q rules.Question, answer rules.Answer, err error) error {
	b, theirs := allocator.BreachOf(err, d.ledger.Chart(), d.ledger, q, answer.Pools)
	if !theirs {
		return fmt.Errorf("claim: %w", err)
	}
	d.report(ctx, q, b)
	return refusal(q, field.ErrorList{b.Err})
}
