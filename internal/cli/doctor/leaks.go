package doctor

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// slack is how long after its time the leader may take to put the ledger right.
const slack = 2 * time.Minute

// leak is a number on which the ledger and the Services do not agree.
type leak struct {
	number int32
	// owner is the Service that the number is, or should be, in the ledger for.
	owner types.NamespacedName
	Finding
}

// leaks are numbers of the ledger that nobody has, and numbers of Services that are not in the ledger.
func leaks(c *Cluster) (r Result) {
	if !c.Complete(picture.Allocations, picture.Services) {
		r.unseen("the whole ledger, and all Services", fmt.Errorf("%s", c.GapsText(picture.Allocations, picture.Services)))
		return r
	}
	for _, l := range c.leaks() {
		r.Findings = append(r.Findings, l.Finding)
	}
	r.Summary = fmt.Sprintf("%s in the ledger", term.Counted(len(c.Allocations), "number"))
	return r
}

func (c *Cluster) leaks() []leak {
	carried := map[int32]bool{}
	for i := range c.Services {
		for _, n := range serviceports.Numbers(serviceports.Requests(&c.Services[i])) {
			carried[n] = true
		}
	}
	var all []leak
	known := map[int32]bool{}
	for i := range c.Allocations {
		a := &c.Allocations[i]
		n, ok := allocator.NumberOf(a)
		known[n] = ok
		if says, commands := c.leaked(a); ok && !carried[n] && says != "" {
			all = append(all, leak{n, allocator.OwnerOf(a), Finding{Trouble, "nodeportallocation/" + a.Name, says, commands}})
		}
	}
	return append(all, c.unlisted(known)...)
}

// leaked says what is wrong with an allocation of a number that no Service carries, and what to do; "": nothing is. Of those
// that are bound nobody knows since when no Service carries them: see reader.again. None is deleted without a look at what it
// is by then: kubectl portolan release takes nothing that a Service has, and nothing that has changed.
func (c *Cluster) leaked(a *v1alpha1.NodePortAllocation) (says string, commands []string) {
	owner := allocator.OwnerOf(a)
	who, release := "kubectl portolan who "+a.Name, "kubectl portolan release "+a.Name
	late := func(at time.Time, grace time.Duration) bool { return c.Now.Sub(at) > grace+slack }
	switch {
	case a.Spec.ServiceUID != "" && late(a.CreationTimestamp.Time, 0):
		return fmt.Sprintf("It is bound to Service %s, which does not carry it: nobody else can have the number. The leader mends that within a minute, where it is at work.", owner),
			[]string{who, c.logs()}
	case a.Spec.ServiceUID != "" || a.Spec.ReservationName != "":
	case a.Spec.HoldUntil != nil:
		if late(a.Spec.HoldUntil.Time, 0) {
			return fmt.Sprintf("It was held until %s ago, and is there still: the leader is not at work.", term.Age(a.Spec.HoldUntil.Time, c.Now)), []string{who, release}
		}
	case a.Spec.ClaimTime != nil && late(a.Spec.ClaimTime.Time, allocator.ClaimGrace):
		return fmt.Sprintf("It was claimed for Service %s %s ago, which never came: after 90 s the leader gives it up.", owner, term.Age(a.Spec.ClaimTime.Time, c.Now)), []string{who, release}
	}
	return "", nil
}

// unlisted are numbers that Services have for a while, and that the ledger does not know.
func (c *Cluster) unlisted(known map[int32]bool) (all []leak) {
	for i := range c.Services {
		svc := &c.Services[i]
		if c.Now.Sub(svc.CreationTimestamp.Time) < slack {
			continue
		}
		for _, n := range serviceports.Numbers(serviceports.Requests(svc)) {
			if n != 0 && !known[n] {
				all = append(all, leak{n, client.ObjectKeyFromObject(svc), Finding{Trouble, fmt.Sprintf("service/%s (namespace %s)", svc.Name, svc.Namespace),
					fmt.Sprintf("The ledger does not know that it has %d. The leader takes in what it finds within seconds: it is not at work.", n), []string{c.logs()}}})
			}
		}
	}
	return all
}

// logs shows what the manager says.
func (c *Cluster) logs() string {
	return fmt.Sprintf("kubectl -n %s logs deployment/%s --all-pods --since=15m", c.Namespace, deploymentName)
}

// sorted are the keys of a map.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
