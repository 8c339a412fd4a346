package controllers

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
)

// A claim concerns the reports of one namespace on one pool; a pool concerns those of its namespaces, a namespace those
// on its pools. Counts follow once things have settled; a report that is new is made at once, so that a namespace reads
// of a pool before it is refused.

func (r *usageReconciler) setUp(mgr manager.Manager, rangeChanged *Bell) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("nodeportusage").
		Watches(&v1alpha1.NodePortUsage{}, settled(reportItself)).
		Watches(&v1alpha1.NodePortAllocation{}, settled(r.ofClaim), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.NodePortPool{}, r.ofPools(), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.ofNamespace), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WatchesRawSource(rangeChanged.source(r.ofPools())).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).
		Complete(r)
}

func reportItself(_ context.Context, o client.Object) []request {
	return []request{{NamespacedName: client.ObjectKeyFromObject(o)}}
}

func reportOf(namespace, pool string) request {
	return request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: pool}}
}

// ofClaim are the reports that count a claim: on the pools that have its number.
func (r *usageReconciler) ofClaim(_ context.Context, o client.Object) []request {
	a, ok := o.(*v1alpha1.NodePortAllocation)
	n, isNumber := int32(0), false
	if ok {
		n, isNumber = allocator.NumberOf(a)
	}
	if !isNumber {
		return nil
	}
	var requests []request
	for _, pool := range r.charts.pools() {
		if ranged(pool, n) {
			requests = append(requests, reportOf(a.Spec.ServiceRef.Namespace, pool.Name))
		}
	}
	return requests
}

// ranged says whether a number is in a pool's ranges, whoever owns it.
func ranged(pool *v1alpha1.NodePortPool, n int32) bool {
	return slices.ContainsFunc(pool.Spec.Ranges, func(r v1alpha1.PortRange) bool { return r.From <= n && n <= r.To })
}

func overlap(a, b []v1alpha1.PortRange) bool {
	return slices.ContainsFunc(a, func(r v1alpha1.PortRange) bool {
		return slices.ContainsFunc(b, func(o v1alpha1.PortRange) bool { return r.From <= o.To && o.From <= r.To })
	})
}

// ofPools has the reports on a pool that changes looked at, and those on pools that overlap it, as it was or is: whose a number
// is may have changed. Of all that change together it looks for them once.
func (r *usageReconciler) ofPools() handler.EventHandler {
	note := func(ctx context.Context, q queue, changed ...client.Object) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, o := range changed {
			if pool, ok := o.(*v1alpha1.NodePortPool); ok {
				r.changed = append(r.changed, pool)
			}
		}
		r.walks.ask(func() {
			for _, report := range r.walk(ctx) {
				q.Add(report)
			}
		})
	}
	return handler.Funcs{
		CreateFunc:  func(ctx context.Context, e event.CreateEvent, q queue) { note(ctx, q, e.Object) },
		UpdateFunc:  func(ctx context.Context, e event.UpdateEvent, q queue) { note(ctx, q, e.ObjectOld, e.ObjectNew) },
		DeleteFunc:  func(ctx context.Context, e event.DeleteEvent, q queue) { note(ctx, q, e.Object) },
		GenericFunc: func(ctx context.Context, _ event.GenericEvent, q queue) { note(ctx, q, r.all()...) }, // the cluster's range
	}
}

func (r *usageReconciler) all() []client.Object {
	var all []client.Object
	for _, pool := range r.charts.pools() {
		all = append(all, pool)
	}
	return all
}

// walk looks for the reports on the pools that have changed since the last walk.
func (r *usageReconciler) walk(ctx context.Context) []request {
	r.mu.Lock()
	changed := r.changed
	r.changed = nil
	r.mu.Unlock()
	usages, namespaces, claims := &v1alpha1.NodePortUsageList{}, &corev1.NamespaceList{}, &v1alpha1.NodePortAllocationList{}
	for _, list := range []client.ObjectList{usages, namespaces, claims} {
		if err := r.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "List what pools are used for")
			return nil
		}
	}
	return reportsOn(concerned(changed, r.charts.pools()), usages.Items, namespaces.Items, claims.Items)
}

// concerned are the pools that have changed, as they were and are, and those of all that share numbers with one of these.
func concerned(changed, all []*v1alpha1.NodePortPool) []*v1alpha1.NodePortPool {
	found := slices.Clone(changed)
	for _, pool := range all {
		if !slices.Contains(changed, pool) && slices.ContainsFunc(changed, func(c *v1alpha1.NodePortPool) bool {
			return c.Name == pool.Name || overlap(c.Spec.Ranges, pool.Spec.Ranges)
		}) {
			found = append(found, pool)
		}
	}
	return found
}

// reportsOn are the reports on pools: those that there are, and those of the namespaces that they select, or that have
// numbers of theirs.
func reportsOn(pools []*v1alpha1.NodePortPool, usages []v1alpha1.NodePortUsage, namespaces []corev1.Namespace, claims []v1alpha1.NodePortAllocation) []request {
	requests, names := map[request]bool{}, map[string]bool{}
	for _, pool := range pools {
		names[pool.Name] = true
		for i := range namespaces {
			if selects(&pool.Spec.NamespaceSelector, namespaces[i].Labels) {
				requests[reportOf(namespaces[i].Name, pool.Name)] = true
			}
		}
	}
	for i := range claims {
		claim := &claims[i]
		n, ok := allocator.NumberOf(claim)
		for _, pool := range pools {
			if ok && ranged(pool, n) {
				requests[reportOf(claim.Spec.ServiceRef.Namespace, pool.Name)] = true
			}
		}
	}
	for i := range usages {
		if names[usages[i].Name] {
			requests[reportOf(usages[i].Namespace, usages[i].Name)] = true
		}
	}
	return slices.Collect(maps.Keys(requests))
}

// selects says whether a selector takes these labels; one that cannot be read takes none. Nearly all have nothing but
// matchLabels, and a start asks of each namespace and each pool: there is nothing to be made for those.
func selects(s *metav1.LabelSelector, of map[string]string) bool {
	if len(s.MatchExpressions) > 0 {
		selector, err := metav1.LabelSelectorAsSelector(s)
		return err == nil && selector.Matches(labels.Set(of))
	}
	for key, value := range s.MatchLabels {
		if has, ok := of[key]; !ok || has != value {
			return false
		}
	}
	return true
}

// ofNamespace are the reports of a namespace: those that there are, and those on the pools that select it.
func (r *usageReconciler) ofNamespace(ctx context.Context, namespace client.Object) []request {
	usages := &v1alpha1.NodePortUsageList{}
	if err := r.List(ctx, usages, client.InNamespace(namespace.GetName()), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List usages")
		return nil
	}
	var names []string
	for i := range usages.Items {
		names = append(names, usages.Items[i].Name)
	}
	for _, pool := range r.charts.pools() {
		if selects(&pool.Spec.NamespaceSelector, namespace.GetLabels()) {
			names = append(names, pool.Name)
		}
	}
	slices.Sort(names)
	var requests []request
	for _, name := range slices.Compact(names) {
		requests = append(requests, reportOf(namespace.GetName(), name))
	}
	return requests
}
