package doctor

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/rules"
)

// smallest is how many numbers a pool has at least that is called nearly full when less than a tenth is left. Source: the
// alert PortolanPoolNearlyFull.
const smallest = 10

// pools looks at what pools say of themselves, and how much is left of them.
func pools(c *Cluster) (r Result) {
	if !c.Complete(picture.Pools) {
		r.unseen("nodeportpools", fmt.Errorf("%s", c.GapsText(picture.Pools)))
		return r
	}
	c.partly(&r, picture.Allocations, picture.Services)
	for i := range c.Pools {
		c.poolReady(&r, &c.Pools[i])
		c.poolConforming(&r, &c.Pools[i])
		c.poolFull(&r, &c.Pools[i])
	}
	r.Summary = term.Counted(len(c.Pools), "pool")
	if len(c.Pools) == 0 {
		r.Summary = "no pools: every namespace may have every number"
	}
	return r
}

func (c *Cluster) poolReady(r *Result, pool *v1alpha1.NodePortPool) {
	object, describe := "nodeportpool/"+pool.Name, "kubectl describe npp "+pool.Name
	ready := meta.FindStatusCondition(pool.Status.Conditions, v1alpha1.PoolReady)
	if ready == nil {
		if c.Now.Sub(pool.CreationTimestamp.Time) > slack {
			r.trouble(object, "Nobody has looked at it yet: the leader is not at work.", describe)
		}
		return
	}
	says, commands := advised(ready.Message)
	commands = c.gently(commands)
	switch {
	case ready.Status == metav1.ConditionFalse:
		r.trouble(object, fmt.Sprintf("It does not work as its spec says (%s): %s.", ready.Reason, says), append(commands, "kubectl edit npp "+pool.Name)...)
	case ready.Reason == v1alpha1.PoolReasonDraining:
		r.notice(object, "It is draining: "+says+".", append(commands, "kubectl portolan list -A --pool "+pool.Name)...)
	case ready.Reason == v1alpha1.PoolReasonDrained:
		r.notice(object, "It is drained: nothing of it is in use any more.", "kubectl delete npp "+pool.Name)
	}
}

func (c *Cluster) poolConforming(r *Result, pool *v1alpha1.NodePortPool) {
	conforming := meta.FindStatusCondition(pool.Status.Conditions, v1alpha1.PoolConforming)
	if conforming != nil && conforming.Status == metav1.ConditionFalse && !c.allTold(pool.Name) {
		says, commands := advised(conforming.Message)
		r.notice("nodeportpool/"+pool.Name, strings.ToUpper(says[:1])+says[1:]+".", c.gently(c.untold(commands))...)
	}
}

// poolFull goes by the numbers themselves, and not by a status, which may lag.
func (c *Cluster) poolFull(r *Result, pool *v1alpha1.NodePortPool) {
	all := c.Chart().Pools()
	at := slices.IndexFunc(all, func(p *rules.Pool) bool { return p.Name == pool.Name })
	if at < 0 || pool.Spec.Allocation == v1alpha1.AllocationNone {
		return
	}
	counts := c.Counts(all[at])
	left, total := counts.Free+counts.Held, all[at].Numbers.Len()
	object := "nodeportpool/" + pool.Name
	commands := []string{
		fmt.Sprintf(`kubectl patch npp %s --type=json -p '[{"op":"add","path":"/spec/ranges/-","value":{"from":FROM,"to":TO}}]'`, pool.Name),
		fmt.Sprintf("kubectl portolan list -A --pool %s --idle 30d", pool.Name),
	}
	switch {
	case total == 0:
	case left == 0:
		r.trouble(object, fmt.Sprintf("All of its %s are taken: Services that ask for one are refused. Add a range that no other pool has, or take back what nobody uses.", term.Counted(total, "number")), commands...)
	case total >= smallest && left*10 < total:
		r.trouble(object, fmt.Sprintf("It is nearly full: %d of %d numbers are left. Add a range that no other pool has, or take back what nobody uses.", left, total), commands...)
	}
}

// reservations are promises that are not kept.
func reservations(c *Cluster) (r Result) {
	if !c.Complete(picture.Reservations) {
		r.unseen("reservations of other namespaces", fmt.Errorf("%s", c.GapsText(picture.Reservations)))
	}
	for i := range c.Reservations {
		v := &c.Reservations[i]
		ready := meta.FindStatusCondition(v.Status.Conditions, "Ready")
		if ready == nil || ready.Status != metav1.ConditionFalse {
			continue
		}
		commands := []string{fmt.Sprintf("kubectl -n %s describe npr %s", v.Namespace, v.Name)}
		for _, p := range v.Spec.Ports {
			if p.NodePort != 0 && ready.Reason == "NumberTaken" {
				commands = append(commands, fmt.Sprintf("kubectl portolan who %d", p.NodePort))
			}
		}
		r.trouble(fmt.Sprintf("nodeportreservation/%s (namespace %s)", v.Name, v.Namespace),
			fmt.Sprintf("Its numbers are not kept (%s): %s.", ready.Reason, strings.TrimSuffix(ready.Message, ".")), commands...)
	}
	r.Summary = term.Counted(len(c.Reservations), "reservation")
	return r
}
