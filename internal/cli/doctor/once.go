package doctor

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/rules"
)

// A Service that breaks the rules of pools says so itself, and so does each of these pools. It is told of once, with what
// mends it.

// troubled is what a Service says of trouble with its numbers; nil: it has none, or conflicts tells of it.
func troubled(svc *corev1.Service) *metav1.Condition {
	condition := meta.FindStatusCondition(svc.Status.Conditions, allocatedCondition)
	if condition == nil || condition.Status != metav1.ConditionFalse || condition.Reason == "NodePortConflict" {
		return nil
	}
	return condition
}

// allTold says whether each Service that breaks a pool's rules has been told of by itself. Where there is none that could be
// seen, the pool knows of one.
func (c *Cluster) allTold(pool string) bool {
	some := false
	for i := range c.Services {
		svc := &c.Services[i]
		if !c.breaks(svc, pool) {
			continue
		}
		if some = true; troubled(svc) == nil {
			return false
		}
	}
	return some
}

// breaks says whether a live Service breaks a rule of a pool.
func (c *Cluster) breaks(svc *corev1.Service, pool string) bool {
	ns := c.Picture.Namespace(svc.Namespace)
	if ns == nil || svc.DeletionTimestamp != nil {
		return false
	}
	q := rules.Question{Service: svc, Old: svc, Namespace: ns.Name, NamespaceLabels: ns.Labels, Now: c.Now}
	return slices.ContainsFunc(rules.LiveBreaches(c.Chart(), q), func(b rules.Breach) bool {
		return slices.ContainsFunc(b.Pools, func(p *rules.Pool) bool { return p.Name == pool })
	})
}

// untold are commands without those of the manager's for Services that have been told of by themselves.
func (c *Cluster) untold(commands []string) []string {
	return slices.DeleteFunc(slices.Clone(commands), func(command string) bool {
		parts := patched.FindStringSubmatch(command)
		if parts == nil {
			return false
		}
		svc := c.Service(types.NamespacedName{Namespace: parts[1], Name: parts[2]})
		return svc != nil && troubled(svc) != nil
	})
}
