package nodeproxy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/clash"
	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/node"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
	"github.com/portolan-dev/portolan/internal/selection"
)

// Status is what a node-proxy does in all. It is not changed once it is made.
type Status struct {
	View      node.View
	Selection selection.Selection
	Tally     route.Tally
	Conflicts []route.Conflict
	// NodePorts are the numbers that the kernel has, in order, and those of health checks.
	NodePorts []uint16
	// Guards is what is enforced of NodePortAccess; nil: the kernel has taken nothing yet.
	Guards *Guards
	// Crowded are the ports that are closed as there is no room for who may reach them.
	Crowded []nft.Port
	// Clashes are what else uses numbers of the node port range; nil: it is not known.
	Clashes *clash.Report
	// early: that is about to be known.
	early bool
	// ReserveFailure is why numbers of Services may be given to the node's own connections all the same; nil: they are not,
	// or nobody asked for that.
	ReserveFailure error
	// Unplanned are the Services that there was no room for.
	Unplanned []types.NamespacedName
	// LastSync is when the kernel last took a change, and Took how long that took from the first event that it answers
	// to; zero: it has taken none.
	LastSync time.Time
	Took     time.Duration
	// Failure is why the node is out of step, and FailingSince since when; nil: it is in step.
	Failure      error
	FailingSince time.Time
	// FlowFailure is why flows to what has gone may be left, or connections of those who may not reach a node port any more;
	// nil: they are not.
	FlowFailure error
	// Tracked is how full the connection tracking is; the zero value: it is not known.
	Tracked conntrack.Fill
	// Shared: others can change the node's table, so it is looked at now and then.
	Shared bool
	// Now is when the status was asked for.
	Now time.Time
}

// fail notes whether the node is in step now.
func (s *Status) fail(err error, now time.Time) {
	if s.Failure == nil {
		s.FailingSince = now
	}
	if s.Failure = err; err == nil {
		s.FailingSince = time.Time{}
	}
}

// String says it in words.
func (s Status) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Node %s serves %s.\n", s.View.Node.Name, s.serves())
	fmt.Fprintf(&b, "  %s with %s and %s.\n",
		count(s.Tally.Services, "Service"), count(s.Tally.IPv4.Frontends+s.Tally.IPv6.Frontends, "frontend"),
		count(s.Tally.IPv4.Endpoints+s.Tally.IPv6.Endpoints, "endpoint"))
	fmt.Fprintf(&b, "  %s on %s.\n", count(len(s.NodePorts), "node port"), s.addresses())
	switch {
	case s.Failure != nil:
		fmt.Fprintf(&b, "  The node is out of step for %s: %v\n", duration.HumanDuration(s.Now.Sub(s.FailingSince)), s.Failure)
	case s.LastSync.IsZero():
		fmt.Fprintln(&b, "  The kernel is not programmed yet.")
	default:
		fmt.Fprintf(&b, "  The kernel is in step; the last change was %s ago and took %s.\n",
			duration.HumanDuration(s.Now.Sub(s.LastSync)), s.Took.Round(10*time.Microsecond))
	}
	if s.FlowFailure != nil {
		fmt.Fprintf(&b, "  UDP flows to endpoints that have gone, or connections of those who may no longer reach a node port, may be left: %v\n", s.FlowFailure)
	}
	if s.Shared && !s.LastSync.IsZero() {
		fmt.Fprintf(&b, "  Others can change its table on this node, so it is looked at every %s.\n", lookAgain)
	}
	for _, line := range append(s.trackingLines(), s.guardLines()...) {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	for _, name := range s.Unplanned {
		fmt.Fprintf(&b, "  There is no room for %s.\n", name)
	}
	for _, c := range slices.SortedFunc(slices.Values(s.Conflicts), compareConflicts) {
		fmt.Fprintf(&b, "  %s wants %s, which %s has.\n", c.Loser, c.Frontend, c.Winner)
	}
	for _, line := range s.clashLines() {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	return b.String()
}

// guardLines say who is kept from node ports, whoever serves them.
func (s Status) guardLines() []string {
	g := s.Guards
	if g == nil {
		return nil
	}
	lines := []string{"Node ports are open to every source."}
	switch {
	case !g.known():
		lines = nil
	case g.Policies+g.Ceilings > 0:
		lines[0] = fmt.Sprintf("Who may reach node ports is said by %s of NodePortAccess and the access of %s.",
			count(g.Policies, "object"), count(g.Ceilings, "pool"))
	}
	if !g.current() {
		lines = append([]string{g.stale()}, lines...)
	}
	if len(s.Crowded) > 0 {
		lines = append(lines, fmt.Sprintf("%s closed, as the NodePortAccess objects of a namespace are too large for the node: %s.",
			closedPorts(len(s.Crowded)), texts(s.Crowded)))
	}
	if g.Closed != (nft.PortRange{}) {
		lines = append(lines, fmt.Sprintf("Numbers from %d to %d that no Service and no pod has are closed.", g.Closed.First, g.Closed.Last))
	}
	if g.known() && g.PodsUnread != nil {
		lines = append(lines, g.podsStale())
	}
	return lines
}

func closedPorts(n int) string {
	if n == 1 {
		return "1 node port is"
	}
	return fmt.Sprintf("%d node ports are", n)
}

// mostPorts is how many ports are listed.
const mostPorts = 10

// texts lists ports, and says how many more there are.
func texts(ports []nft.Port) string {
	var all []string
	for _, p := range ports[:min(mostPorts, len(ports))] {
		all = append(all, fmt.Sprint(p.Protocol.Name(), " ", p.Number))
	}
	if more := len(ports) - mostPorts; more > 0 {
		all = append(all, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(all, ", ")
}

// mostClashLines is how many clashes are listed.
const mostClashLines = 10

// clashLines say what else uses node ports.
func (s Status) clashLines() []string {
	var lines []string
	if s.ReserveFailure != nil {
		lines = append(lines, fmt.Sprintf("--reserve-ephemeral has no effect: %v", s.ReserveFailure))
	}
	if s.Clashes == nil {
		return lines
	}
	all := s.Clashes.Clashes
	for _, c := range all[:min(mostClashLines, len(all))] {
		lines = append(lines, c.Sentence())
	}
	if more := len(all) - mostClashLines; more > 0 {
		lines = append(lines, fmt.Sprintf("And %d more clashes.", more))
	}
	return lines
}

// compareConflicts orders conflicts by whom they leave without, and where.
func compareConflicts(a, b route.Conflict) int {
	return cmp.Or(compareNames(a.Loser, b.Loser), a.Compare(b.Frontend))
}

func (s Status) serves() string {
	switch s.Selection.Mode {
	case v1alpha1.ProxyModeAll:
		return "all Services but those that a label gives to another proxy"
	case v1alpha1.ProxyModeNone:
		return "no Services"
	}
	return fmt.Sprintf("the Services with the label %s=%s", v1alpha1.ServiceProxyNameLabel, s.Selection.ProxyName)
}

func (s Status) addresses() string {
	var texts []string
	for _, ip := range s.View.Network.NodePortIPs {
		texts = append(texts, ip.String())
	}
	if len(texts) == 0 {
		return "no address of this node"
	}
	return strings.Join(texts, " and ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
