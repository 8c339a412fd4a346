package move

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// manager is the field manager of what this verb writes.
const manager = "kubectl-portolan"

// advice is what has to be changed beside the Service, or the old number comes back: a sentence each.
func advice(p *picture.Picture, svc *corev1.Service, m *Mark) []string {
	var texts []string
	if unread := func(g picture.Gap) bool { return g.Kind == picture.Accesses && g.Namespace != svc.Namespace }; slices.ContainsFunc(p.Gaps, unread) {
		texts = append(texts, fmt.Sprintf("Who may reach the second entry cannot be told: a NodePortAccess that names port %s must name %s, too, or everybody can reach it. %s",
			m.Ports[0], second(m.Ports[0]), p.GapsText(picture.Accesses)))
	}
	if who := setBy(svc, m); len(who) > 0 {
		texts = append(texts, fmt.Sprintf("nodePort %d was set by %s: set %d in that manifest, too, while both numbers are open.", m.From, strings.Join(who, ", "), m.To))
	}
	if by := appliedBy(svc); by != "" {
		texts = append(texts, by+": have its source say the new number, or nothing, of nodePort; and suspend it for the time of the move if it takes entries away that it does not know.")
	}
	for i := range p.Reservations {
		r := &p.Reservations[i]
		if r.Namespace == svc.Namespace && r.Spec.ServiceName == svc.Name && keeps(r, m.From) {
			texts = append(texts, fmt.Sprintf("NodePortReservation %[1]s keeps %[2]d for the Service: say %[3]d in it (kubectl edit npr %[1]s -n %[4]s), or a Service that is created again gets %[2]d.",
				r.Name, m.From, m.To, r.Namespace))
		}
	}
	if svc.Spec.Type == corev1.ServiceTypeLoadBalancer {
		texts = append(texts, "The load balancer gets a listener for the second entry, until the move ends.")
	}
	return texts
}

// setBy are the field managers, other than this verb, that have set the old number, or the new one.
func setBy(svc *corev1.Service, m *Mark) []string {
	var who []string
	for _, e := range svc.ManagedFields {
		one := svc.DeepCopy()
		one.ManagedFields = one.ManagedFields[:0]
		one.ManagedFields = append(one.ManagedFields, e)
		set := serviceports.UserSet(one)
		for _, r := range serviceports.Requests(svc) {
			mine := slices.ContainsFunc(r.Ports, func(p serviceports.Port) bool { return slices.Contains(m.Ports, p.Name) })
			if mine && e.Manager != manager && set(r) && !slices.Contains(who, e.Manager) {
				who = append(who, e.Manager)
			}
		}
	}
	return who
}

// appliedBy says what keeps a Service as some source has it; "": nothing is known.
func appliedBy(svc *corev1.Service) string {
	for _, tool := range []struct{ name, key string }{
		{"Flux (Kustomization)", "kustomize.toolkit.fluxcd.io/name"},
		{"Flux (HelmRelease)", "helm.toolkit.fluxcd.io/name"},
		{"Argo CD", "argocd.argoproj.io/tracking-id"},
		{"Argo CD", "argocd.argoproj.io/instance"},
		{"Helm", "meta.helm.sh/release-name"},
	} {
		for _, set := range []map[string]string{svc.Labels, svc.Annotations} {
			if name, ok := set[tool.key]; ok {
				return fmt.Sprintf("The Service is applied by %s, %s", tool.name, name)
			}
		}
	}
	if len(svc.OwnerReferences) > 0 {
		owner := svc.OwnerReferences[0]
		return fmt.Sprintf("The Service belongs to %s %s", owner.Kind, owner.Name)
	}
	return ""
}

func keeps(r *v1alpha1.NodePortReservation, n int32) bool {
	return slices.ContainsFunc(r.Spec.Ports, func(p v1alpha1.ReservedPort) bool { return p.NodePort == n }) ||
		slices.ContainsFunc(r.Status.Ports, func(p v1alpha1.ReservedPortStatus) bool { return p.NodePort == n })
}
