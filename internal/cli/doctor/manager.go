package doctor

import (
	"fmt"

	"k8s.io/utils/ptr"

	"github.com/portolan-dev/portolan/internal/cli/term"
)

// manager looks whether its replicas are ready, and one of them leads.
func manager(c *Cluster) (r Result) {
	c.replicas(&r)
	c.leader(&r)
	return r
}

func (c *Cluster) replicas(r *Result) {
	object := "deployment/" + deploymentName
	if r.unseen(object, c.Deployment.Err) {
		return
	}
	kubectl := "kubectl -n " + c.Namespace
	if c.Deployment.missing() {
		r.trouble(object, fmt.Sprintf("There is no manager in namespace %s: Services get the numbers that Kubernetes picks. If it is elsewhere, say where by --portolan-namespace; else ", c.Namespace)+again,
			"kubectl get deployments -A -l control-plane=controller-manager")
		return
	}
	wanted, ready := ptr.Deref(c.Deployment.Object.Spec.Replicas, 1), c.Deployment.Object.Status.ReadyReplicas
	switch {
	case c.elsewhere():
		r.notice(object, "A manager runs outside of the Deployment, which is scaled to no replica: the webhooks answer, and "+c.leads()+" leads.")
	case wanted == 0:
		r.trouble(object, "It is scaled to no replica at all: nobody answers the webhooks, and nothing is kept in order.", kubectl+" scale "+object+" --replicas=2")
	case ready < wanted:
		says := fmt.Sprintf("%d of %d replicas are ready.", ready, wanted)
		if ready == 0 {
			says = fmt.Sprintf("None of %s is ready: nobody answers the webhooks.", term.Counted(int(wanted), "replica"))
		}
		r.trouble(object, says, kubectl+" describe pods -l control-plane=controller-manager", kubectl+" logs "+object+" --all-pods --tail=50")
	case wanted == 1:
		r.notice(object, "There is a single replica: while it is replaced nobody answers the webhooks.", kubectl+" scale "+object+" --replicas=2")
	}
	r.Summary = fmt.Sprintf("%d of %d replicas ready", ready, wanted)
}

// leader looks at the lease. Its holder renews it all the time, so one that has run out has none.
func (c *Cluster) leader(r *Result) {
	object := "lease/" + leaseName
	if r.unseen(object, c.Lease.Err) {
		return
	}
	const means = "Allocations are not bound or freed, and no status is written"
	command := fmt.Sprintf("kubectl -n %s logs deployment/%s --all-pods --since=15m", c.Namespace, deploymentName)
	if c.Lease.missing() {
		r.trouble(object, "No replica has ever led. "+means+".", command)
		return
	}
	spec := c.Lease.Object.Spec
	holder := ptr.Deref(spec.HolderIdentity, "")
	if holder == "" || spec.RenewTime == nil {
		r.trouble(object, "No replica leads: the last one has given the lease back. "+means+".", command)
		return
	}
	if c.leads() == "" {
		r.trouble(object, fmt.Sprintf("No replica leads: the last one, %s, has not renewed the lease for %s. %s.", holder, term.Age(spec.RenewTime.Time, c.Now), means), command)
		return
	}
	if r.Summary != "" {
		r.Summary += ", "
	}
	r.Summary += "led by " + holder
}
