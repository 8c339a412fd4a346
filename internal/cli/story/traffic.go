package story

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

// mostNodes is how many nodes are named.
const mostNodes = 8

// nodes are those that serve the number.
func (t teller) nodes() *Fact {
	svc := t.Holder()
	if svc == nil || !t.Complete(picture.NodeStates) {
		return nil
	}
	s := t.Serving(svc, t.Number.Number)
	if len(s.Nodes) == 0 {
		return &Fact{About: "Served by", Says: []string{"the cluster's own proxy, such as kube-proxy: no node-proxy serves the Service"}}
	}
	fact := t.programmed(svc, s)
	if svc.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal {
		fact.Says = append(fact.Says, "only nodes with ready endpoints answer: externalTrafficPolicy is Local")
	}
	return fact
}

// programmed is which of the nodes that serve the Service have the number in force. What no node can have reported yet is not
// missing.
func (t teller) programmed(svc *corev1.Service, s picture.Serving) *Fact {
	fact := &Fact{About: "Served by", Says: []string{fmt.Sprintf("%d of %d nodes: %s", len(s.Programmed), len(s.Nodes), term.Few(s.Programmed, mostNodes))}}
	missing := slices.DeleteFunc(slices.Clone(s.Nodes), func(n string) bool { return slices.Contains(s.Programmed, n) })
	switch {
	case len(missing) == 0:
	case t.Lately(svc, t.Number.Number) && len(s.Programmed) == 0:
		fact.Says[0] = fmt.Sprintf("not reported yet by any of %d nodes: they report once a minute", len(s.Nodes))
	case t.Lately(svc, t.Number.Number):
		fact.Says = append(fact.Says, "not reported yet by "+term.Few(missing, mostNodes)+": nodes report once a minute")
	default:
		if len(s.Programmed) == 0 {
			fact.Says[0] = fmt.Sprintf("none of %d nodes", len(s.Nodes))
		}
		fact.Trouble = true
		fact.Says = append(fact.Says, "not in force on "+term.Few(missing, mostNodes)+": see kubectl describe npns")
	}
	return fact
}

// endpoints are where the traffic goes.
func (t teller) endpoints() *Fact {
	svc := t.Holder()
	if svc == nil || t.healthCheck() || !t.readsOf(picture.EndpointSlices, svc.Namespace) {
		return nil
	}
	e := t.Endpoints(svc)
	if e.Ready == 0 {
		return &Fact{About: "Endpoints", Says: []string{fmt.Sprintf("none is ready, of %d: nobody answers", e.Total)}, Trouble: true}
	}
	text := fmt.Sprintf("%d ready", e.Ready)
	if e.Ready < e.Total {
		text += fmt.Sprintf(" of %d", e.Total)
	}
	var places []string
	for _, node := range slices.Sorted(maps.Keys(e.OnNodes)) {
		place := node
		if n := e.OnNodes[node]; n > 1 {
			place += fmt.Sprintf(" (%d)", n)
		}
		places = append(places, place)
	}
	if len(places) > 0 {
		text += ", on " + term.Few(places, mostNodes)
	}
	return &Fact{About: "Endpoints", Says: []string{text}}
}

// readsOf says whether a kind was read of a namespace.
func (t teller) readsOf(kind picture.Kind, namespace string) bool {
	return t.Complete(kind) || slices.Contains(t.Gaps, picture.Gap{Kind: kind, Namespace: namespace})
}

// traffic is when somebody last used the number.
func (t teller) traffic() *Fact {
	if t.Allocation == nil || t.Holder() == nil {
		return nil
	}
	says := "not known: no node counts"
	last := t.Allocation.Status.LastTrafficTime
	if since, known := t.UnusedSince(); last != nil {
		says = fmt.Sprintf("%s ago (%s)", term.Age(last.Time, t.Now), term.Stamp(last.Time))
	} else if known {
		says = fmt.Sprintf("none for %s, since when nodes have counted (%s)", term.Age(since, t.Now), term.Stamp(since))
	}
	if meta.IsStatusConditionTrue(t.Allocation.Status.Conditions, v1alpha1.AllocationIdle) {
		says += ": idle"
	}
	return &Fact{About: "Last traffic", Says: []string{says}}
}

const unseenPool = "the pool may let in fewer: you may not read it"

// access is who may reach the number, as far as the caller may know.
func (t teller) access() *Fact {
	svc := t.Holder()
	if svc == nil || !t.readsOf(picture.Accesses, svc.Namespace) {
		return nil
	}
	if t.healthCheck() {
		return &Fact{About: "Reached by", Says: []string{"everybody: it stays open to load balancers"}}
	}
	var ports, says []string
	for _, port := range t.entries() {
		ports = append(ports, port.Name)
	}
	for _, a := range t.Selecting(svc, ports...) {
		says = append(says, grant(a))
	}
	if pool := t.ceiling(); pool != "" {
		says = append(says, pool)
	}
	if len(says) == 0 && !t.Complete(picture.Pools) {
		return &Fact{About: "Reached by", Says: []string{"everybody, as far as NodePortAccess goes: none is about it", unseenPool}}
	}
	if len(says) == 0 {
		return &Fact{About: "Reached by", Says: []string{"everybody: no NodePortAccess is about it"}}
	}
	if t.Complete(picture.NodeStates) && !t.Guarded() {
		return &Fact{About: "Reached by", Says: append([]string{"everybody: no node has a guard that would enforce what there is:"}, says...), Trouble: true}
	}
	says = append(says, "nobody else")
	if !t.Complete(picture.Pools) {
		says = append(says, unseenPool)
	}
	if !t.Complete(picture.NodeStates) {
		says = append(says, "where nodes have a guard that enforces it: you may not see which have")
	}
	return &Fact{About: "Reached by", Says: says}
}

// grant is whom a NodePortAccess lets in.
func grant(a *v1alpha1.NodePortAccess) string {
	policy := access.NewPolicy(a)
	if len(policy.Problems) > 0 {
		return fmt.Sprintf("nobody (NodePortAccess %s), as it cannot be read: %v", a.Name, policy.Problems[0])
	}
	text := fmt.Sprintf("%s (NodePortAccess %s)", access.SourcesText(a.Spec.From), a.Name)
	if a.Spec.NodeSelector != nil {
		text += ", on the nodes that it selects"
	}
	if len(policy.Interfaces) > 0 {
		text += ", by " + strings.Join(policy.Interfaces, ", ")
	}
	if len(policy.Addresses) > 0 {
		text += ", at some of the nodes' addresses"
	}
	if policy.Rate.PerSecond > 0 {
		text += fmt.Sprintf(", each with %d new connections a second", policy.Rate.PerSecond)
	}
	return text
}

// ceiling is whom the pool that has the number lets in at most; "": it says nothing.
func (t teller) ceiling() string {
	if t.Pool == nil || t.Pool.Spec.Access == nil {
		return ""
	}
	return fmt.Sprintf("at most %s (pool %s)", access.SourcesText(t.Pool.Spec.Access.From), t.Pool.Name)
}
