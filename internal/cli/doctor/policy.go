package doctor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/portolan-dev/portolan/internal/admissionpolicy"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

// policy looks whether the rules that hold while Portolan is away are those of the pools.
func policy(c *Cluster) (r Result) {
	c.ledgerPolicy(&r)
	if !c.Complete(picture.Pools) {
		r.unseen("nodeportpools", fmt.Errorf("%s", c.GapsText(picture.Pools)))
		return r
	}
	object := "validatingadmissionpolicy/" + admissionpolicy.Name
	if r.unseen(object, c.Policy.Err) || r.unseen("validatingadmissionpolicybinding/"+admissionpolicy.Name, c.PolicyBinding.Err) {
		return r
	}
	if len(c.Pools) == 0 {
		r.Summary = "no pools, so there is nothing to enforce"
		return r
	}
	logs := fmt.Sprintf("kubectl -n %s logs deployment/%s --all-pods --since=15m", c.Namespace, deploymentName)
	switch {
	case c.Policy.missing():
		r.trouble(object, "It is not there: while Portolan is away nothing of the pools' rules holds. The leader makes it within a minute.", logs)
		return r
	case c.PolicyBinding.missing():
		r.trouble("validatingadmissionpolicybinding/"+admissionpolicy.Name, "It is not there, so the policy does nothing: while Portolan is away nothing of the pools' rules holds. The leader makes it within a minute.", logs)
	case !slices.Contains(c.PolicyBinding.Object.Spec.ValidationActions, admissionv1.Deny):
		r.trouble("validatingadmissionpolicybinding/"+admissionpolicy.Name, "It does not deny: somebody has changed it, and the leader, which undoes that, is not at work.", c.restart())
	}
	c.compiled(&r, object)
	return r
}

// compiled looks whether it is the pools' and whether the API server can read it.
func (c *Cluster) compiled(r *Result, object string) {
	if status := c.Policy.Object.Status.TypeChecking; status != nil && len(status.ExpressionWarnings) > 0 {
		w := status.ExpressionWarnings[0]
		r.trouble(object, fmt.Sprintf("The API server warns of %s: %s", w.FieldRef, strings.TrimSpace(w.Warning)), "kubectl get "+object+" -o yaml")
	}
	if c.inStep() {
		r.Summary = fmt.Sprintf("as the %s have it", term.Counted(len(c.Pools), "pool"))
		return
	}
	says := "It is not what the pools say now: while Portolan is away older rules hold. Another version of the manager may have written it, or the manager is not at work."
	if c.RangeAssumed {
		says += " It is also so where the API server's node port range is not 30000-32767, and no pool says so: then say which by --service-node-port-range."
	}
	r.trouble(object, says, c.restart())
}

// inStep says whether the policy is one that a manager of this version would compile, with --strict or without.
func (c *Cluster) inStep() bool {
	for _, strict := range []bool{false, true} {
		applied, _ := admissionpolicy.Compile(c.Chart(), c.Pools, admissionpolicy.Options{Strict: strict})
		var wanted admissionv1.ValidatingAdmissionPolicy
		text, err := json.Marshal(applied)
		if err == nil && json.Unmarshal(text, &wanted) == nil && equality.Semantic.DeepEqual(wanted.Spec, c.Policy.Object.Spec) {
			return true
		}
	}
	return false
}

// ledgerPolicy keeps others from writing the ledger.
func (c *Cluster) ledgerPolicy(r *Result) {
	object := "validatingadmissionpolicybinding/" + ledgerPolicy
	if !r.unseen(object, c.LedgerBinding.Err) && c.LedgerBinding.missing() {
		r.trouble(object, "It is not there: whoever may write allocations by RBAC can take a number, or keep it from everybody. To mend that, "+again, "kubectl get validatingadmissionpolicies,validatingadmissionpolicybindings")
	}
}
