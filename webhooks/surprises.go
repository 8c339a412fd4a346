package webhooks

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/decision"
	"github.com/portolan-dev/portolan/internal/rules"
)

// +kubebuilder:rbac:groups="",resources=pods,verbs=list
// +kubebuilder:rbac:groups=portolan.dev,resources=nodeportaccesses,verbs=list;watch

const (
	// lookAround is how long a Service that is let through waits for what is only warned about.
	lookAround = 500 * time.Millisecond
	// mostPods is how many Pods are looked at; of a Service with more nothing is said.
	mostPods = 500
)

// surprises are warnings by what is around a Service that is let through. Where that cannot be learned, or not in time,
// there are fewer.
func (v *serviceValidator) surprises(ctx context.Context, q rules.Question, answer rules.Answer) []string {
	ctx, cancel := context.WithTimeout(ctx, lookAround)
	defer cancel()
	var around rules.Surroundings
	if rules.WantsPods(q) {
		around.Pods = v.pods(ctx, q)
	}
	if rules.WantsAccesses(answer) {
		around.Accesses = v.accesses(ctx, q.Namespace)
	}
	return rules.Surprises(v.ledger.Chart(), q, answer, around)
}

// pods are those that the Service selects, as they are now; nil where they cannot be learned, or are too many.
func (v *serviceValidator) pods(ctx context.Context, q rules.Question) []corev1.Pod {
	found := &corev1.PodList{}
	err := v.live.List(ctx, found, client.InNamespace(q.Namespace), client.MatchingLabels(q.Service.Spec.Selector), client.Limit(mostPods))
	if err == nil && found.Continue != "" {
		err = fmt.Errorf("there are more than %d", mostPods)
	}
	if err != nil {
		logf.FromContext(ctx).V(1).Info("No warnings about Pods", "service", decision.ServiceOf(q), "reason", err.Error())
		return nil
	}
	return found.Items
}

// accesses are what the NodePortAccess of a namespace are about.
func (v *serviceValidator) accesses(ctx context.Context, namespace string) []*access.Policy {
	found := &v1alpha1.NodePortAccessList{}
	if err := v.cached.List(ctx, found, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		logf.FromContext(ctx).V(1).Info("No warnings about access", "namespace", namespace, "reason", err.Error())
		return nil
	}
	policies := make([]*access.Policy, len(found.Items))
	for i := range found.Items {
		policies[i] = access.NewSelection(&found.Items[i])
	}
	return policies
}
