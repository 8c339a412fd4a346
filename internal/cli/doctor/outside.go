package doctor

import (
	"strings"
	"time"

	"k8s.io/utils/ptr"
)

// A manager may run outside of its Deployment, which is scaled to no replica then: a developer's, or that of a demo.

// answered says whether a webhook has refused what it always refuses.
func (a Answer) answered() bool {
	return a.Err != nil && strings.Contains(a.Err.Error(), "admission webhook") && strings.Contains(a.Err.Error(), "not a pool of namespace")
}

// leads is who holds the lease, and has renewed it in time; "": nobody does, or it could not be read.
func (c *Cluster) leads() string {
	if c.Lease.Object == nil {
		return ""
	}
	spec := c.Lease.Object.Spec
	if spec.RenewTime == nil || c.Now.After(spec.RenewTime.Add(grace(spec.LeaseDurationSeconds))) {
		return ""
	}
	return ptr.Deref(spec.HolderIdentity, "")
}

// grace is how long after it was renewed a lease is not given up for lost: clocks differ.
func grace(seconds *int32) time.Duration {
	return 2 * time.Duration(ptr.Deref(seconds, 15)) * time.Second
}

// elsewhere says whether the Deployment has no replica, and somebody does the manager's work all the same.
func (c *Cluster) elsewhere() bool {
	d := c.Deployment.Object
	return d != nil && ptr.Deref(d.Spec.Replicas, 1) == 0 && c.Asked.answered() && c.leads() != ""
}
