package doctor

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

// getGuard is how nodes get guards, and lookForGuard shows whether they have what guards are part of.
const (
	getGuard     = "The guard is part of node-proxy, and may be all that it does: see docs/howto/guard.md."
	lookForGuard = "kubectl -n " + nodeNamespace + " get daemonset/" + daemonSetName + " -o wide"
)

// guard looks whether who may reach node ports is enforced as it is written.
func guard(c *Cluster) (r Result) {
	c.partly(&r, picture.Accesses)
	if !c.Complete(picture.Accesses) && len(c.Accesses) == 0 {
		return r
	}
	c.partly(&r, picture.Pools, picture.NodeStates)
	for i := range c.Accesses {
		c.access(&r, &c.Accesses[i])
	}
	c.ceilings(&r)
	for i := range c.NodeStates {
		c.guardState(&r, &c.NodeStates[i])
	}
	r.Summary = term.Counted(len(c.Accesses), "NodePortAccess")
	if len(c.Accesses) != 1 {
		r.Summary = fmt.Sprintf("%d NodePortAccess objects", len(c.Accesses))
	}
	return r
}

// guardState looks whether a node's guard goes by what the API server says now.
func (c *Cluster) guardState(r *Result, state *v1alpha1.NodePortNodeState) {
	object, current := "nodeportnodestate/"+state.Name, meta.FindStatusCondition(state.Status.Conditions, v1alpha1.NodeStateGuardCurrent)
	if current == nil || current.Status != metav1.ConditionFalse {
		if g := state.Status.Guard; g == nil || g.AccessResourceVersion != "" {
			return
		}
		// An older node-proxy says it in no other way.
		current = &metav1.Condition{Message: "The node cannot read who may reach its node ports"}
	}
	says := strings.TrimSuffix(current.Message, ".")
	if current.Reason == v1alpha1.NodeStateReasonPodsUnread {
		r.trouble(object, says+". A hostPort may be closed there, or be open without its pod. "+mayNotRead, mayList("pods"))
		return
	}
	r.trouble(object, says+". What you have closed since may be open there. "+mayNotRead,
		mayList("nodeportaccesses.portolan.dev"), mayList("nodeportpools.portolan.dev"))
}

// mayNotRead is what mends the likeliest reason for which a node cannot read something.
const mayNotRead = "Where it has no right to read that, " + again

// mayList asks whether node-proxy may list objects of a kind.
func mayList(resource string) string {
	return fmt.Sprintf("kubectl auth can-i list %s -A --as=system:serviceaccount:%s:%s", resource, nodeNamespace, daemonSetName)
}

func (c *Cluster) access(r *Result, a *v1alpha1.NodePortAccess) {
	object, describe := "nodeportaccess/"+a.Name, fmt.Sprintf("kubectl -n %s describe npacc %s", a.Namespace, a.Name)
	in := " (namespace " + a.Namespace + ")"
	if ready := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.AccessReady); ready != nil && ready.Status == metav1.ConditionFalse {
		switch message := strings.TrimSuffix(ready.Message, "."); ready.Reason {
		case v1alpha1.AccessReasonInvalid:
			r.trouble(object+in, "It cannot be read, so it lets nobody in, and closes what it selects: "+message+".", describe)
		default:
			r.notice(object+in, "It does nothing: "+message+".", describe)
			return
		}
	}
	programmed := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.AccessProgrammed)
	switch {
	case programmed == nil || programmed.Status != metav1.ConditionFalse:
	case programmed.Reason == v1alpha1.AccessReasonNoGuard:
		r.trouble(object+in, "No node enforces it: the ports that it is about are open to everybody. "+getGuard, lookForGuard, describe)
	case c.Now.Sub(programmed.LastTransitionTime.Time) > settle:
		r.trouble(object+in, "Not every node enforces it: "+strings.TrimSuffix(programmed.Message, ".")+".",
			"kubectl get npns -o custom-columns='NODE:.metadata.name,GUARD:.status.guard.accessResourceVersion'", describe)
	}
}

// ceilings of pools are enforced by guards too, and have no condition that says so.
func (c *Cluster) ceilings(r *Result) {
	if !c.Complete(picture.NodeStates) || c.Guarded() {
		return
	}
	for i := range c.Pools {
		if c.Pools[i].Spec.Access != nil {
			r.trouble("nodeportpool/"+c.Pools[i].Name, "It says who may reach its numbers, and no node has a guard that would enforce it. "+getGuard, lookForGuard)
		}
	}
}
