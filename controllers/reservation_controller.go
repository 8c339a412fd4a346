package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/metrics"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// +kubebuilder:rbac:groups=portolan.dev,resources=nodeportreservations,verbs=get;list;watch
// +kubebuilder:rbac:groups=portolan.dev,resources=nodeportreservations/status,verbs=update

// claimPatience is how long a claim for a reservation may take.
const claimPatience = 10 * time.Second

// errBehind says that the caches have yet to see what was done already: look again.
var errBehind = errors.New("the caches are behind")

// reservationReconciler keeps the numbers of reservations claimed, and reports. One name is one request, whether or not
// there is a reservation of it: what a deleted one kept is held, or stays with its Service.
type reservationReconciler struct {
	client.Client               // cached
	live          client.Reader // the API server itself
	store         allocator.Store
	ledger        *allocator.Ledger
	charts        *charts
	events        events.EventRecorder
	clock         clock.PassiveClock
	tally         *reservationTally
}

// Reconcile implements reconcile.Reconciler.
func (r *reservationReconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if !r.ledger.Ready() { // whose numbers are whose is not known yet
		return reconcile.Result{RequeueAfter: cacheLag}, nil
	}
	err := r.keep(ctx, req.NamespacedName)
	if errors.Is(err, errBehind) || apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return reconcile.Result{RequeueAfter: cacheLag}, nil
	}
	return reconcile.Result{}, err
}

// keep claims what is missing, then changes what is claimed and not wanted so any more, then reports.
func (r *reservationReconciler) keep(ctx context.Context, name types.NamespacedName) error {
	o, err := r.observe(ctx, name)
	if err != nil {
		return err
	}
	if o.reservation == nil {
		r.tally.note(name, "")
		return r.correct(ctx, o, nil)
	}
	p := promiseFor(o)
	problems, err := r.claim(ctx, o, p)
	if err != nil {
		return err
	}
	if err := r.correct(ctx, o, p); err != nil {
		return err
	}
	problems = slices.Concat(problemsOf(p.answer.Breaches...), problems, o.poolsMissing(p))
	return r.report(ctx, o.reservation, reservationStatus(p, problems, o.now))
}

func (r *reservationReconciler) observe(ctx context.Context, name types.NamespacedName) (reserving, error) {
	o := reserving{name: name, claims: map[int32]*v1alpha1.NodePortAllocation{}, chart: r.charts.now(), ledger: rules.Quiet{Ledger: r.ledger}, now: r.clock.Now()}
	claims := &v1alpha1.NodePortAllocationList{}
	if err := r.List(ctx, claims, client.MatchingFields{allocationsByNamespace: name.Namespace}, client.UnsafeDisableDeepCopy); err != nil {
		return o, fmt.Errorf("list allocations: %w", err)
	}
	for i := range claims.Items {
		if n, ok := allocator.NumberOf(&claims.Items[i]); ok {
			o.claims[n] = &claims.Items[i]
		}
	}
	var err error
	if o.namespace, err = found(ctx, r, types.NamespacedName{Name: name.Namespace}, &corev1.Namespace{}); err != nil {
		return o, err
	}
	o.reservation, err = found(ctx, r, name, &v1alpha1.NodePortReservation{})
	switch {
	case err != nil:
		return o, err
	case o.reservation == nil:
		return o, r.confirmGone(ctx, name)
	case o.namespace == nil || !slices.Equal(r.ledger.Reserved(name), o.promised()):
		return o, errBehind // something would be chosen a second time
	}
	o.service, err = found(ctx, r, o.serviceName(), &corev1.Service{})
	return o, err
}

// found reads an object; nil where there is none.
func found[T client.Object](ctx context.Context, reader client.Reader, name types.NamespacedName, object T) (T, error) {
	var none T
	err := reader.Get(ctx, name, object)
	if err == nil {
		return object, nil
	}
	return none, client.IgnoreNotFound(err)
}

// confirmGone asks the API server itself whether there is no such reservation: what was promised is kept until then.
func (r *reservationReconciler) confirmGone(ctx context.Context, name types.NamespacedName) error {
	reservation := &metav1.PartialObjectMetadata{}
	reservation.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NodePortReservation"))
	if err := r.live.Get(ctx, name, reservation); err == nil {
		return errBehind
	} else if !apierrors.IsNotFound(err) {
		return fmt.Errorf("read reservation %s: %w", name, err)
	}
	return nil
}

// claim claims what is missing: all of it, or, where that is refused, one number after the other, those that are named
// first, so that what can be kept is kept.
func (r *reservationReconciler) claim(ctx context.Context, o reserving, p *promise) ([]problem, error) {
	if len(p.open) == 0 {
		return nil, nil
	}
	if !r.charted(o.chart) {
		return nil, errBehind
	}
	refused, err := r.tryClaim(ctx, o, p, p.open)
	if len(refused) == 0 || err != nil || len(p.open) == 1 {
		return refused, err
	}
	var problems []problem
	for _, named := range []bool{true, false} {
		for i, request := range p.open {
			if (request.NodePort != 0) != named {
				continue
			}
			refused, err := r.tryClaim(ctx, o, p, p.open[i:i+1])
			if err != nil {
				return nil, err
			}
			problems = append(problems, refused...)
		}
	}
	return problems, nil
}

// charted says whether the ledger goes by these pools: it may be behind the event that brought us here.
func (r *reservationReconciler) charted(chart *rules.Chart) bool {
	return chart == r.ledger.Chart() || slices.EqualFunc(r.ledger.Chart().Pools(), chart.Pools(), func(a, b *rules.Pool) bool {
		return a.Name == b.Name && equality.Semantic.DeepEqual(a.Spec, b.Spec)
	})
}

// tryClaim claims all of the requests, or says why none.
func (r *reservationReconciler) tryClaim(ctx context.Context, o reserving, p *promise, requests []serviceports.Request) ([]problem, error) {
	ctx, cancel := context.WithTimeout(ctx, claimPatience)
	defer cancel()
	claimant := allocator.Claimant{Service: o.serviceName(), Reservation: o.name.Name,
		Uses: append(serviceports.Numbers(p.open), p.kept...)}
	claim, err := r.ledger.Claim(ctx, claimant, o.asClaimed(requests), p.answer.Pools)
	if err != nil {
		if b, theirs := allocator.BreachOf(err, o.chart, o.ledger, p.question, p.answer.Pools); theirs {
			return problemsOf(b), nil
		}
		return nil, fmt.Errorf("claim for reservation %s: %w", o.name, err)
	}
	claim.Commit()
	metrics.HoldsGivenUp.Add(float64(claim.GivenUp))
	p.take(claim.Requests)
	return nil, nil
}

// correct changes claims of the reservation; p is nil where there is none any more.
func (r *reservationReconciler) correct(ctx context.Context, o reserving, p *promise) error {
	for _, claim := range o.corrections(p) {
		if err := r.store.Update(ctx, claim); err != nil {
			return fmt.Errorf("reservation %s: allocation %s: %w", o.name, claim.Name, err)
		}
	}
	return nil
}

// report writes the status where it has changed, and tells when the reservation has become ready, or is not any more.
func (r *reservationReconciler) report(ctx context.Context, reservation *v1alpha1.NodePortReservation, status v1alpha1.NodePortReservationStatus) error {
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ReservationReady)
	r.tally.note(client.ObjectKeyFromObject(reservation), ready.Reason)
	if equality.Semantic.DeepEqual(status, reservation.Status) {
		return nil
	}
	before := meta.FindStatusCondition(reservation.Status.Conditions, v1alpha1.ReservationReady)
	updated := reservation.DeepCopy()
	updated.Status = status
	if err := r.Status().Update(ctx, updated); err != nil {
		return fmt.Errorf("reservation %s: status: %w", client.ObjectKeyFromObject(reservation), err)
	}
	if before != nil && before.Reason == ready.Reason {
		return nil
	}
	kind := corev1.EventTypeWarning
	if ready.Status == metav1.ConditionTrue {
		kind = corev1.EventTypeNormal
	}
	r.events.Eventf(reservation, nil, kind, ready.Reason, "Reserve", "%s", note(ready.Message))
	return nil
}
