package controllers

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
)

// A claim concerns the reports of one namespace on one pool; a pool concerns those of its namespaces, a namespace those
// on its pools. Counts follow once things have settled; a report that is new is made at once, so that a namespace reads
// of a pool before it is refused.

func (r *usageReconciler) setUp(mgr manager.Manager, rangeChanged *Bell) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("nodeportusage").
		Watches(&v1alpha1.NodePortUsage{}, settled(reportItself)).
		Watches(&v1alpha1.NodePortAllocation{}, settled(r.ofClaim), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.NodePortPool{}, handler.EnqueueRequestsFromMapFunc(r.ofPool), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.ofNamespace), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WatchesRawSource(rangeChanged.source(handler.EnqueueRequestsFromMapFunc(r.ofPools))).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).
		Complete(r)
}

func reportItself(_ context.Context, o client.Object) []request {
	return []request{{NamespacedName: client.ObjectKeyFromObject(o)}}
}

func reportOf(namespace, pool string) request {
	return request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: pool}}
}

// ofClaim is the report that counts a claim: that of the pool whose number it is.
func (r *usageReconciler) ofClaim(ctx context.Context, o client.Object) []request {
	a, ok := o.(*v1alpha1.NodePortAllocation)
	n, isNumber := int32(0), false
	if ok {
		n, isNumber = allocator.NumberOf(a)
	}
	if !isNumber {
		return nil
	}
	return r.sharing(ctx, rules.Ranges{{From: n, To: n}}, func(pool *v1alpha1.NodePortPool) []request {
		return []request{reportOf(a.Spec.ServiceRef.Namespace, pool.Name)}
	})
}

// sharing are the requests for all pools that have some of the numbers.
func (r *usageReconciler) sharing(ctx context.Context, numbers rules.Ranges, of func(*v1alpha1.NodePortPool) []request) []request {
	pools := &v1alpha1.NodePortPoolList{}
	if err := r.List(ctx, pools, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List pools")
		return nil
	}
	var requests []request
	for i := range pools.Items {
		if len(numbers.Intersect(pools.Items[i].Spec.Ranges)) > 0 {
			requests = append(requests, of(&pools.Items[i])...)
		}
	}
	return requests
}

// ofPool are the reports on a pool, and on those that overlap it: whose a number is may have changed.
func (r *usageReconciler) ofPool(ctx context.Context, o client.Object) []request {
	pool, ok := o.(*v1alpha1.NodePortPool)
	if !ok {
		return nil
	}
	return append(r.on(ctx, pool), r.sharing(ctx, rules.NewRanges(pool.Spec.Ranges), func(other *v1alpha1.NodePortPool) []request {
		if other.Name == pool.Name {
			return nil
		}
		return r.on(ctx, other)
	})...)
}

// ofPools are the reports on all pools that have numbers.
func (r *usageReconciler) ofPools(ctx context.Context, _ client.Object) []request {
	return r.sharing(ctx, rules.Ranges{{From: 1, To: 65535}}, func(pool *v1alpha1.NodePortPool) []request { return r.on(ctx, pool) })
}

// on are the reports on a pool: those that there are, and those of the namespaces that it selects or that have numbers
// of it.
func (r *usageReconciler) on(ctx context.Context, pool *v1alpha1.NodePortPool) []request {
	usages, namespaces, claims := &v1alpha1.NodePortUsageList{}, &corev1.NamespaceList{}, &v1alpha1.NodePortAllocationList{}
	for list, which := range map[client.ObjectList][]client.ListOption{
		usages: {client.MatchingFields{usagesByPool: pool.Name}}, namespaces: nil, claims: nil,
	} {
		if err := r.List(ctx, list, append(which, client.UnsafeDisableDeepCopy)...); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "List what a pool is used for")
			return nil
		}
	}
	concerned := map[string]bool{}
	for i := range usages.Items {
		concerned[usages.Items[i].Namespace] = true
	}
	selector := selectorOf(pool)
	for i := range namespaces.Items {
		if selector.Matches(labels.Set(namespaces.Items[i].Labels)) {
			concerned[namespaces.Items[i].Name] = true
		}
	}
	numbers := rules.NewRanges(pool.Spec.Ranges)
	for i := range claims.Items {
		if n, ok := allocator.NumberOf(&claims.Items[i]); ok && numbers.Contains(n) {
			concerned[claims.Items[i].Spec.ServiceRef.Namespace] = true
		}
	}
	var requests []request
	for namespace := range concerned {
		requests = append(requests, reportOf(namespace, pool.Name))
	}
	return requests
}

func selectorOf(pool *v1alpha1.NodePortPool) labels.Selector {
	selector, err := metav1.LabelSelectorAsSelector(&pool.Spec.NamespaceSelector)
	if err != nil {
		return labels.Nothing()
	}
	return selector
}

// ofNamespace are the reports of a namespace: those that there are, and those on the pools that select it.
func (r *usageReconciler) ofNamespace(ctx context.Context, namespace client.Object) []request {
	usages, pools := &v1alpha1.NodePortUsageList{}, &v1alpha1.NodePortPoolList{}
	if err := r.List(ctx, usages, client.InNamespace(namespace.GetName()), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List usages")
		return nil
	}
	if err := r.List(ctx, pools, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List pools")
		return nil
	}
	var names []string
	for i := range usages.Items {
		names = append(names, usages.Items[i].Name)
	}
	for i := range pools.Items {
		if selectorOf(&pools.Items[i]).Matches(labels.Set(namespace.GetLabels())) {
			names = append(names, pools.Items[i].Name)
		}
	}
	slices.Sort(names)
	var requests []request
	for _, name := range slices.Compact(names) {
		requests = append(requests, reportOf(namespace.GetName(), name))
	}
	return requests
}
