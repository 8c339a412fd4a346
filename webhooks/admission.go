// Package webhooks is the admission of Services, pools, reservations and accesses.
//
// A Service passes twice. The mutating webhook, before the API server's own allocator, refuses all that can be
// refused, so that the user reads our words, and claims and fills in the numbers that are to be chosen. The
// validating webhook judges the final object by the same rules, returns warnings, and claims the numbers that the
// user, or the API server while we did not answer, has chosen.
//
// An error of ours is never a refusal: see failOpen. Nothing is written on dry-run.
package webhooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/decision"
	"github.com/portolan-dev/portolan/internal/metrics"
	"github.com/portolan-dev/portolan/internal/rules"
)

// desk is what the webhooks for Services, and that for reservations, work with.
type desk struct {
	ledger *allocator.Ledger
	// cached reads Namespaces and Services from the watches; live asks the API server itself.
	cached, live client.Reader
	events       events.EventRecorder
	clock        clock.PassiveClock
	decoder      admission.Decoder
}

// question is a request as the rules see it. old is nil on create.
func (d *desk) question(ctx context.Context, svc, old *corev1.Service) (rules.Question, error) {
	labels, err := d.namespaceLabels(ctx)
	return rules.Question{
		Service: svc, Old: old, Namespace: requestFrom(ctx).Namespace, NamespaceLabels: labels,
		Now: d.clock.Now(), DryRun: isDryRun(ctx),
	}, err
}

// namespaceLabels are those of the request's namespace, once the rules can be asked.
func (d *desk) namespaceLabels(ctx context.Context) (map[string]string, error) {
	if !d.ledger.Ready() {
		return nil, allocator.ErrNotReady
	}
	name := requestFrom(ctx).Namespace
	namespace := &corev1.Namespace{}
	err := d.cached.Get(ctx, client.ObjectKey{Name: name}, namespace)
	if apierrors.IsNotFound(err) { // just created, and the cache has not seen it yet
		err = d.live.Get(ctx, client.ObjectKey{Name: name}, namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("read namespace %q: %w", name, err)
	}
	return namespace.Labels, nil
}

// exists asks the API server whether there is a Service of this name, if there are signs of one. Its creation
// must be answered with AlreadyExists, and must claim nothing.
func (d *desk) exists(ctx context.Context, q rules.Question) (bool, error) {
	if q.Old != nil {
		return false, nil
	}
	key := client.ObjectKey(decision.ServiceOf(q))
	if !d.ledger.Knows(decision.ServiceOf(q)) && apierrors.IsNotFound(d.cached.Get(ctx, key, &corev1.Service{})) {
		return false, nil
	}
	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Service"))
	err := d.live.Get(ctx, key, found)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// verdict is an answer to the user. Any other error is ours.
type verdict struct{ *apierrors.StatusError }

// refusal is what kubectl prints as: The Service "web" is invalid: ...
func refusal(q rules.Question, errs field.ErrorList) error {
	return verdict{apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Service").GroupKind(), q.Service.Name, errs)}
}

// requestFrom is the request that the context of a webhook carries.
func requestFrom(ctx context.Context) admission.Request {
	req, _ := admission.RequestFromContext(ctx) // always there in a webhook
	return req
}

func isDryRun(ctx context.Context) bool {
	req := requestFrom(ctx)
	return req.DryRun != nil && *req.DryRun
}

// counted runs a webhook's decision, and counts it. A verdict is nil or a refusal; any other
// error means that there is none.
func counted(ctx context.Context, webhook string, decision func(context.Context) error) error {
	start := time.Now()
	err := decision(ctx)
	result := "allowed"
	switch {
	case errors.As(err, new(verdict)):
		result = "refused"
	case err != nil:
		result = "failed"
		fail(ctx, err)
	}
	metrics.AdmissionDecisions.WithLabelValues(webhook, string(requestFrom(ctx).Operation), result).Inc()
	metrics.AdmissionDuration.WithLabelValues(webhook).Observe(time.Since(start).Seconds())
	return err
}
