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
		state := &c.NodeStates[i]
		if g := state.Status.Guard; g != nil && g.AccessResourceVersion == "" {
			r.trouble("nodeportnodestate/"+state.Name, "The node cannot read who may reach its node ports: what you have closed since may be open there. Where it has no right to, "+again,
				"kubectl auth can-i list nodeportaccesses.portolan.dev -A --as=system:serviceaccount:"+nodeNamespace+":"+daemonSetName)
		}
	}
	r.Summary = term.Counted(len(c.Accesses), "NodePortAccess")
	if len(c.Accesses) != 1 {
		r.Summary = fmt.Sprintf("%d NodePortAccess objects", len(c.Accesses))
	}
	return r
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
