package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/admissionpolicy"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/metrics"
	"github.com/portolan-dev/portolan/internal/rules"
)

// +kubebuilder:rbac:groups=portolan.dev,resources=nodeportpools/status,verbs=update

// poolReconciler reports what a pool has, what is wrong with it, and which live Services break its rules.
type poolReconciler struct {
	client.Client
	ledger *allocator.Ledger
	charts *charts
	clock  clock.PassiveClock
	last   look
	policy *policyReport
	looks  gathering
	pace   *poolPace
}

func newPoolReconciler(c client.Client, charts *charts, clock clock.PassiveClock, policy *policyReport) *poolReconciler {
	return &poolReconciler{Client: c, ledger: charts.ledger, charts: charts, clock: clock, policy: policy, looks: gathering{after: settle}, pace: newPoolPace()}
}

func (r *poolReconciler) setUp(mgr manager.Manager, rangeChanged *Bell) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("nodeportpool").
		For(&v1alpha1.NodePortPool{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.NodePortPool{}, r.every()).
		Watches(&v1alpha1.NodePortAllocation{}, r.every()).
		Watches(&corev1.Service{}, r.every()).
		Watches(&corev1.Namespace{}, r.every(), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		Watches(&admissionv1.ValidatingAdmissionPolicy{}, r.ofPolicy()).
		Watches(&v1alpha1.NodePortNodeState{}, r.ofNodes()).
		WatchesRawSource(rangeChanged.source(r.every())).
		WatchesRawSource(r.policy.changed.source(r.every())).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// every has all pools looked at once things have settled: a change of one pool may concern its neighbours, and
// there are few.
func (r *poolReconciler) every() handler.EventHandler {
	later := func(o client.Object, q queue) {
		if concernsPools(o) {
			r.lookAtAll(q)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { later(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			if _, isPool := e.ObjectNew.(*v1alpha1.NodePortPool); isPool {
				// Most likely our own status: to look at once would write again for each number taken meanwhile.
				q.AddAfter(request{NamespacedName: client.ObjectKeyFromObject(e.ObjectNew)}, settle)
			}
			if changesPools(e.ObjectOld, e.ObjectNew) {
				later(e.ObjectNew, q)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
			if _, isPool := e.Object.(*v1alpha1.NodePortPool); isPool {
				metrics.ForgetPool(e.Object.GetName())
			}
			later(e.Object, q)
		},
		GenericFunc: func(_ context.Context, _ event.GenericEvent, q queue) { r.lookAtAll(q) },
	}
}

// ofPolicy has all pools looked at where the API server has checked the policy, or lost it.
func (r *poolReconciler) ofPolicy() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, _ event.CreateEvent, q queue) { r.lookAtAll(q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			if !equality.Semantic.DeepEqual(typeChecking(e.ObjectOld), typeChecking(e.ObjectNew)) {
				r.lookAtAll(q)
			}
		},
		DeleteFunc: func(_ context.Context, _ event.DeleteEvent, q queue) { r.lookAtAll(q) },
	}
}

// ofNodes counts the nodes, and has all pools looked at where other numbers clash than before.
func (r *poolReconciler) ofNodes() handler.EventHandler {
	look := func(before, after client.Object, q queue) {
		if clashingOn(before) != clashingOn(after) {
			r.lookAtAll(q)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { r.pace.nodes.Add(1); look(nil, e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { look(e.ObjectOld, e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { r.pace.nodes.Add(-1); look(e.Object, nil, q) },
	}
}

func typeChecking(o client.Object) *admissionv1.TypeChecking {
	policy, ok := o.(*admissionv1.ValidatingAdmissionPolicy)
	if !ok {
		return nil
	}
	return policy.Status.TypeChecking
}

// lookAtAll has every pool looked at once things have settled: one look for all that has happened by then.
func (r *poolReconciler) lookAtAll(q queue) {
	r.looks.ask(func() {
		chart := r.ledger.Chart()
		if chart == nil {
			return
		}
		for _, p := range chart.Pools() {
			if !p.Commons() {
				q.Add(request{NamespacedName: client.ObjectKey{Name: p.Name}})
			}
		}
	})
}

// changesPools leaves out changes of a status, and of a Service that keeps its numbers. Services and namespaces have no
// generation; of namespaces only changes of labels come here.
func changesPools(before, after client.Object) bool {
	_, isNamespace := after.(*corev1.Namespace)
	return isNamespace || after.GetGeneration() != before.GetGeneration() || !slices.Equal(numbersOf(after), numbersOf(before))
}

// concernsPools leaves out Services without numbers: most.
func concernsPools(o client.Object) bool {
	_, isService := o.(*corev1.Service)
	return !isService || len(numbersOf(o)) > 0
}

// Reconcile implements reconcile.ObjectReconciler.
func (r *poolReconciler) Reconcile(ctx context.Context, pool *v1alpha1.NodePortPool) (reconcile.Result, error) {
	if !r.ledger.Ready() {
		return reconcile.Result{RequeueAfter: settle}, nil
	}
	seen, err := r.lookFor(ctx, pool)
	if err != nil {
		return reconcile.Result{}, err
	}
	charted := seen.chart.Pool(pool.Name)
	if charted == nil {
		return reconcile.Result{RequeueAfter: settle}, nil
	}
	policyTrouble, err := r.policyTrouble(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	users, err := r.usersOf(ctx, charted, seen.chart)
	if err != nil {
		return reconcile.Result{}, err
	}
	counts, breaches := seen.counts[pool.Name], seen.breaches[pool.Name]
	observeCounts(pool.Name, counts, breaches)
	status := poolStatus(pool, charted, surveyed{counts, breaches, users, policyTrouble, freeIn(r.ledger, seen.chart), seen.chart.ClusterRange()}, r.clock.Now())
	if equality.Semantic.DeepEqual(status, pool.Status) {
		return reconcile.Result{}, nil
	}
	if wait := r.pace.wait(pool, status, r.clock.Now()); wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	pool = pool.DeepCopy()
	pool.Status = status
	if err := r.Status().Update(ctx, pool); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(fmt.Errorf("pool %s: status: %w", pool.Name, err))
	}
	return reconcile.Result{}, nil
}

// policyTrouble says what the API server has against the policy of all pools.
func (r *poolReconciler) policyTrouble(ctx context.Context) (string, error) {
	policy := &admissionv1.ValidatingAdmissionPolicy{}
	err := r.Get(ctx, client.ObjectKey{Name: admissionpolicy.Name}, policy)
	if client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("read the policy: %w", err)
	}
	return r.policy.troubleWith(policy), nil
}

func observeCounts(pool string, c allocator.Counts, breaches []finding) {
	for state, n := range map[string]int{"total": c.Total, "bound": c.Bound, "pending": c.Pending,
		"held": c.Held, "reserved": c.Reserved, "clashing": c.Clashing, "free": c.Free, "outside": c.Outside} {
		metrics.PoolPorts.WithLabelValues(pool, state).Set(float64(n))
	}
	metrics.PoolBreaches.WithLabelValues(pool).Set(float64(len(breaches)))
}

// surveyed is what is known of a pool beside the pool itself.
type surveyed struct {
	counts        allocator.Counts
	breaches      []finding // live Services that break its rules
	users         []finding // the first of those that have its numbers, where it is draining
	policyTrouble string    // what the API server has against the policy of all pools
	free          freeNumbers
	clusterRange  v1alpha1.PortRange
}

// poolStatus derives a pool's status.
func poolStatus(pool *v1alpha1.NodePortPool, charted *rules.Pool, s surveyed, now time.Time) v1alpha1.NodePortPoolStatus {
	c := s.counts
	status := *pool.Status.DeepCopy()
	status.Ranges = rules.NewRanges(pool.Spec.Ranges).Join(",")
	status.NodePortRange = rules.Ranges{s.clusterRange}.String()
	status.Ports = &v1alpha1.PoolPorts{Total: int32(c.Total), Bound: int32(c.Bound), Pending: int32(c.Pending), //nolint:gosec // counts of ports, and of Services
		Held: int32(c.Held), Reserved: int32(c.Reserved), Clashing: int32(c.Clashing), Free: int32(c.Free), Outside: int32(c.Outside)} //nolint:gosec // counts of ports, and of Services
	status.Breaches = new(int32(len(s.breaches))) //nolint:gosec // counts of ports, and of Services
	for _, condition := range []metav1.Condition{poolReady(charted, s), poolExhausted(c), poolConforming(s.breaches, s.free)} {
		setCondition(&status.Conditions, condition, pool.Generation, now)
	}
	return status
}

func poolReady(p *rules.Pool, s surveyed) metav1.Condition {
	ready := metav1.Condition{Type: v1alpha1.PoolReady, Status: metav1.ConditionFalse}
	switch {
	case p.SelectorError != nil:
		ready.Reason = v1alpha1.PoolReasonInvalidSelector
		ready.Message = "the pool selects nothing: " + p.SelectorError.Error()
	case p.Overlaps != "":
		ready.Reason = v1alpha1.PoolReasonOverlap
		ready.Message = fmt.Sprintf("pool %q is older and has some of the numbers: this pool hands out nothing until its ranges are changed", p.Overlaps)
	case len(p.Outside) > 0:
		ready.Reason = v1alpha1.PoolReasonOutsideClusterRange
		ready.Message = fmt.Sprintf("%s is outside the cluster's node port range and is not handed out", p.Outside)
	case s.policyTrouble != "" && p.Enforces():
		ready.Reason = v1alpha1.PoolReasonPolicyNotCompiled
		ready.Message = "while Portolan is away, the rules of the pools as they are now do not hold: " + s.policyTrouble
	case p.Spec.Allocation == v1alpha1.AllocationNone:
		ready.Status = metav1.ConditionTrue
		ready.Reason, ready.Message = draining(s)
	default:
		ready.Status, ready.Reason = metav1.ConditionTrue, v1alpha1.PoolReasonAvailable
		ready.Message = "all numbers of the pool can be handed out"
		if len(p.Numbers) == 0 {
			ready.Message = "the pool has no numbers: a namespace that no other pool selects gets no node port"
		}
	}
	return ready
}

// draining tells how far a pool is that hands out nothing new. Holds do not keep it: they end when it is deleted.
func draining(s surveyed) (reason, message string) {
	c := s.counts
	switch left := c.Bound + c.Pending + c.Reserved + c.Outside; {
	case left > 0:
		return v1alpha1.PoolReasonDraining, fmt.Sprintf("the pool is draining: it hands out nothing new; numbers still in use or reserved: %d: %s", left, list(s.users, left, s.free))
	case c.Held > 0:
		return v1alpha1.PoolReasonDrained, fmt.Sprintf("the pool is drained: none of its numbers is in use; numbers held: %d, until they end or the pool is deleted", c.Held)
	}
	return v1alpha1.PoolReasonDrained, "the pool is drained: none of its numbers is in use"
}

func poolExhausted(c allocator.Counts) metav1.Condition {
	if c.Free > 0 {
		return metav1.Condition{Type: v1alpha1.PoolExhausted, Status: metav1.ConditionFalse,
			Reason: v1alpha1.PoolReasonPortsFree, Message: "numbers are free"}
	}
	message := fmt.Sprintf("%d of %d numbers are in use or held", c.Total-c.Clashing, c.Total)
	switch {
	case c.Total == 0:
		message = "the pool has no numbers"
	case c.Clashing > 0:
		message += fmt.Sprintf(", and %d in use by something else on nodes (kubectl get npns -o wide)", c.Clashing)
	}
	return metav1.Condition{Type: v1alpha1.PoolExhausted, Status: metav1.ConditionTrue,
		Reason: v1alpha1.PoolReasonNoPortFree, Message: message}
}
