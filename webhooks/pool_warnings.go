package webhooks

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// warnings tell what comes of a change of a pool: for numbers that were taken from it, for live Services, and for
// namespaces. Old is nil where the pool is made, pool where it is deleted.
func (v *poolValidator) warnings(ctx context.Context, old, pool *v1alpha1.NodePortPool, others []v1alpha1.NodePortPool) (admission.Warnings, error) {
	if old != nil && pool != nil && equality.Semantic.DeepEqual(old.Spec, pool.Spec) {
		return nil, nil
	}
	before, after := v.chartWith(others, old), v.chartWith(others, pool)
	var warnings admission.Warnings
	if old != nil {
		warning, err := v.leftBehind(ctx, before.Pool(old.Name), after.Pool(old.Name))
		if err != nil {
			return nil, err
		}
		warnings = append(warnings, warning...)
	}
	warnings = append(warnings, everybodys(old, pool)...)
	unserved, err := v.unserved(ctx, old, pool)
	if err != nil {
		return nil, err
	}
	warnings = append(warnings, unserved...)
	live, err := v.live(ctx)
	if err != nil {
		return nil, err
	}
	return append(warnings, rules.Consequences(before, after, live)...), nil
}

func (v *poolValidator) chartWith(others []v1alpha1.NodePortPool, pool *v1alpha1.NodePortPool) *rules.Chart {
	if pool != nil {
		others = append(slices.Clone(others), *pool)
	}
	return rules.NewChart(v.ledger.Chart().ClusterRange(), others)
}

// leftBehind tells of the numbers that were taken from a pool and that the change takes away from it; after is nil
// where it is deleted.
func (v *poolValidator) leftBehind(ctx context.Context, before, after *rules.Pool) (admission.Warnings, error) {
	claims := &v1alpha1.NodePortAllocationList{}
	if err := v.cached.List(ctx, claims, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list allocations: %w", err)
	}
	var used, held int
	for i := range claims.Items {
		a := &claims.Items[i]
		n, _ := allocator.NumberOf(a)
		if a.Spec.PoolName != before.Name || after != nil && (after.Numbers.Contains(n) || !before.Numbers.Contains(n)) {
			continue
		}
		switch allocator.StateOf(a, v.clock.Now()) {
		case allocator.Held, allocator.Lapsed:
			held++
		default:
			used++
		}
	}
	var warnings admission.Warnings
	if used > 0 {
		warnings = append(warnings, fmt.Sprintf("numbers of the pool that stay in use or reserved: %d (kubectl get npa --field-selector spec.poolName=%s)", used, before.Name))
	}
	if held > 0 && after == nil {
		warnings = append(warnings, fmt.Sprintf("numbers held for deleted Services that are given up: %d", held))
	}
	return warnings, nil
}

// everybodys tells where a pool begins to select all namespaces by selecting none, which a selector that was forgotten does.
func everybodys(old, pool *v1alpha1.NodePortPool) admission.Warnings {
	unselective := func(p *v1alpha1.NodePortPool) bool {
		return len(p.Spec.NamespaceSelector.MatchLabels)+len(p.Spec.NamespaceSelector.MatchExpressions) == 0
	}
	if pool == nil || !unselective(pool) || old != nil && unselective(old) {
		return nil
	}
	return admission.Warnings{"without a namespaceSelector this pool is every namespace's, and none is to use numbers that are in no pool: to choose, set spec.namespaceSelector"}
}

// unserved tells where a pool begins to give its Services to a proxy that no node reports.
func (v *poolValidator) unserved(ctx context.Context, old, pool *v1alpha1.NodePortPool) (admission.Warnings, error) {
	if pool == nil || pool.Spec.ServiceProxyName == "" || old != nil && old.Spec.ServiceProxyName == pool.Spec.ServiceProxyName {
		return nil, nil
	}
	states := &v1alpha1.NodePortNodeStateList{}
	if err := v.cached.List(ctx, states, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list node states: %w", err)
	}
	for i := range states.Items {
		status := &states.Items[i].Status
		if status.ServiceProxyName == pool.Spec.ServiceProxyName && status.Mode != v1alpha1.ProxyModeNone {
			return nil, nil
		}
	}
	return admission.Warnings{fmt.Sprintf("new Services of this pool are given to proxy %q, which no node reports (kubectl get npns -o wide): where it does not run they are not served, since kube-proxy leaves them alone",
		pool.Spec.ServiceProxyName)}, nil
}

// live is what the change meets.
func (v *poolValidator) live(ctx context.Context) (rules.Live, error) {
	namespaces, services := &corev1.NamespaceList{}, &corev1.ServiceList{}
	for _, list := range []client.ObjectList{namespaces, services} {
		if err := v.cached.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return rules.Live{}, fmt.Errorf("list %T: %w", list, err)
		}
	}
	live := rules.Live{Namespaces: map[string]map[string]string{}}
	for _, ns := range namespaces.Items {
		live.Namespaces[ns.Name] = ns.Labels
	}
	for i := range services.Items {
		if svc := &services.Items[i]; svc.DeletionTimestamp == nil && len(serviceports.Numbers(serviceports.Requests(svc))) > 0 {
			live.Services = append(live.Services, svc)
		}
	}
	return live, nil
}
