package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

// tooOld is for how long a node that counts the use of numbers may say nothing: it speaks once an hour at least. Source:
// NodePortNodeState, status.activity.
const tooOld = 3 * time.Hour

// settle is how long a change may take to reach every node and be reported: a node writes once a minute at most.
const settle = 5 * time.Minute

// nodes looks whether every node's node-proxy is at work, and has in force what it should.
func nodes(c *Cluster) (r Result) {
	if !c.Complete(picture.NodeStates) {
		r.unseen("nodeportnodestates", fmt.Errorf("%s", c.GapsText(picture.NodeStates)))
		return r
	}
	c.partly(&r, picture.Nodes, picture.Allocations)
	c.daemonSet(&r)
	if len(c.NodeStates) == 0 {
		if c.DaemonSet.missing() {
			r.Summary = "no node has node-proxy: the cluster's own proxy serves all node ports"
		}
		return r
	}
	for i := range c.NodeStates {
		c.nodeState(&r, &c.NodeStates[i])
	}
	c.unreported(&r)
	c.unprogrammed(&r)
	r.Summary = fmt.Sprintf("%s with node-proxy", term.Counted(len(c.NodeStates), "node"))
	return r
}

func (c *Cluster) daemonSet(r *Result) {
	object := "daemonset/" + daemonSetName
	if r.unseen(object, c.DaemonSet.Err) || c.DaemonSet.missing() {
		return
	}
	status := c.DaemonSet.Object.Status
	if status.NumberReady < status.DesiredNumberScheduled {
		r.trouble(object, fmt.Sprintf("node-proxy is ready on %d of %s. The others go on with the rules they had, and learn nothing new.",
			status.NumberReady, term.Counted(int(status.DesiredNumberScheduled), "node")),
			"kubectl -n "+nodeNamespace+" get pods -o wide", "kubectl -n "+nodeNamespace+" describe "+object)
	}
}

// nodeState looks at what a node says of itself.
func (c *Cluster) nodeState(r *Result, state *v1alpha1.NodePortNodeState) {
	object, describe := "nodeportnodestate/"+state.Name, "kubectl describe npns "+state.Name
	logs := fmt.Sprintf("kubectl -n %s get pods -o wide --field-selector spec.nodeName=%s", nodeNamespace, state.Name)
	ready := meta.FindStatusCondition(state.Status.Conditions, v1alpha1.NodeStateReady)
	switch {
	case c.gone(state.Name):
		r.trouble(object, "There is no such Node any more, and its report is counted: numbers are said to be missing on it.", "kubectl delete npns "+state.Name)
		return
	case ready == nil:
		r.trouble(object, "The node has never said how it is.", logs)
	case ready.Status != metav1.ConditionTrue && ready.Reason == v1alpha1.NodeStateReasonNodeLeaving:
		r.notice(object, "The node is about to go: load balancers are told to send it nothing new.")
	case ready.Status != metav1.ConditionTrue:
		r.trouble(object, fmt.Sprintf("Traffic should not be sent there (%s): %s.", ready.Reason, strings.TrimSuffix(ready.Message, ".")), describe, logs)
	}
	if a := state.Status.Activity; a != nil && c.Now.Sub(a.To.Time) > tooOld {
		r.trouble(object, fmt.Sprintf("The node has said nothing for %s, and speaks once an hour at least: what it has in force is what it had then.", term.Age(a.To.Time, c.Now)), logs)
	}
}

// gone says whether it is known that there is no Node of a name.
func (c *Cluster) gone(name string) bool {
	return c.Complete(picture.Nodes) && len(c.Nodes) > 0 && !slices.ContainsFunc(c.Nodes, func(n corev1.Node) bool { return n.Name == name })
}

// unreported are Nodes without a report, where others have one.
func (c *Cluster) unreported(r *Result) {
	var names []string
	for i := range c.Nodes {
		n := &c.Nodes[i]
		if os := n.Labels[corev1.LabelOSStable]; os != "" && os != "linux" || c.Now.Sub(n.CreationTimestamp.Time) < settle {
			continue
		}
		if !slices.ContainsFunc(c.NodeStates, func(s v1alpha1.NodePortNodeState) bool { return s.Name == n.Name }) {
			names = append(names, n.Name)
		}
	}
	if len(names) > 0 {
		r.notice("nodes", fmt.Sprintf("%s without node-proxy, while others have it: %s. Services that are node-proxy's have no node port there.",
			term.Counted(len(names), "node"), term.Few(names, few)), "kubectl -n "+nodeNamespace+" describe daemonset "+daemonSetName)
	}
}

// unprogrammed are numbers that some node lacks for longer than that takes.
func (c *Cluster) unprogrammed(r *Result) {
	missing := map[string][]string{} // numbers, by message
	for i := range c.Allocations {
		a := &c.Allocations[i]
		condition := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.AllocationProgrammed)
		if condition != nil && condition.Status == metav1.ConditionFalse && c.Now.Sub(condition.LastTransitionTime.Time) > settle {
			missing[condition.Message] = append(missing[condition.Message], a.Name)
		}
	}
	for _, message := range sorted(missing) {
		numbers := missing[message]
		r.trouble("nodeportallocation/"+numbers[0], fmt.Sprintf("%s %s: %s.", "Not in force on every node:", term.Few(numbers, few), strings.TrimSuffix(message, ".")),
			"kubectl portolan check -A", "kubectl describe npa "+numbers[0])
	}
}
