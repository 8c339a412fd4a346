package nodeproxy

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/report"
)

// newReporter makes the Reporter of this node.
func (a *Agent) newReporter(c client.Client) *report.Reporter {
	return report.New(report.Options{
		Node:     a.options.Node.Name,
		State:    a.reportState,
		Activity: a.usage.book.Report,
		Client:   c,
		Spread:   a.options.ReportSpread,
		Clock:    a.clock,
		Log:      a.log.WithName("report"),
	})
}

// reportClient knows the one kind that it is for, so that it need not ask the API server which there are.
func reportClient(cfg *rest.Config) (client.Client, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	kinds := meta.NewDefaultRESTMapper(nil)
	kinds.Add(v1alpha1.GroupVersion.WithKind("NodePortNodeState"), meta.RESTScopeRoot)
	return client.New(cfg, client.Options{Scheme: scheme, Mapper: kinds})
}

// reportState is what there is to report; nothing before the node is known, and the kernel has been asked.
func (a *Agent) reportState() (report.State, bool) {
	node, status := a.nodeObject(), a.Status()
	started := status.Failure != nil || !status.LastSync.IsZero() && !status.early
	if node == nil || !started { // till then what the node-proxy before this one has reported is true
		return report.State{}, false
	}
	return report.State{NodeUID: node.UID, Status: status.report(a.options.Version)}, true
}

// reportedAddresses is how many of the node's addresses a report lists.
const reportedAddresses = 64

// report is the status as the cluster is told.
func (s Status) report(version string) v1alpha1.NodePortNodeStateStatus {
	r := v1alpha1.NodePortNodeStateStatus{
		Mode:             s.Selection.Mode,
		ServiceProxyName: s.Selection.ProxyName,
		ProxyVersion:     version,
		Services:         int32(s.Tally.Services), //nolint:gosec // a count of what is in memory
		Ports:            int32(s.Tally.Ports),    //nolint:gosec // a count of what is in memory
	}
	if len(s.View.Network.NodePortIPs) > 0 { // else they are nowhere
		r.NodePorts = bitmap.Of(slices.Values(s.NodePorts)).Text()
	}
	for _, ip := range s.View.Network.NodePortIPs[:min(reportedAddresses, len(s.View.Network.NodePortIPs))] {
		r.Addresses = append(r.Addresses, ip.String())
	}
	if !s.LastSync.IsZero() {
		took := int32(min(s.Took.Milliseconds(), math.MaxInt32)) //nolint:gosec // by min
		r.LastSync = &v1alpha1.LastSync{Time: metav1.NewTime(s.LastSync.Truncate(time.Second)), Milliseconds: took}
	}
	programmed := s.programmed()
	r.Conditions = []metav1.Condition{s.ready(programmed), programmed}
	if g := s.Guards; g != nil {
		r.Conditions = append(r.Conditions, g.condition())
		r.Guard = &v1alpha1.GuardState{AccessResourceVersion: g.Version, Unallocated: v1alpha1.UnallocatedOpen}
		if g.Closed != (nft.PortRange{}) {
			r.Guard.Unallocated = v1alpha1.UnallocatedClosed
		}
	}
	if s.Clashes != nil {
		s.Clashes.Fill(&r)
	}
	return r
}

func (s Status) programmed() metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.NodeStateProgrammed, Status: metav1.ConditionFalse}
	switch {
	case s.Failure != nil:
		c.Reason, c.Message = v1alpha1.NodeStateReasonFailing, "The node is out of step, and it is tried again: "+s.Failure.Error()
	case len(s.Unplanned) > 0:
		c.Reason, c.Message = v1alpha1.NodeStateReasonFailing, fmt.Sprintf("There is no room for %s, such as %s.", count(len(s.Unplanned), "Service"), s.Unplanned[0])
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.NodeStateReasonInSync, "The kernel has what the API server says."
	}
	return c
}

func beyondTheLink(ip netip.Addr) bool { return !ip.IsLinkLocalUnicast() }

func (s Status) ready(programmed metav1.Condition) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.NodeStateReady, Status: metav1.ConditionFalse}
	switch {
	case s.View.Leaving:
		c.Reason, c.Message = v1alpha1.NodeStateReasonNodeLeaving, "The node is about to go."
	case programmed.Status != metav1.ConditionTrue:
		c.Reason, c.Message = v1alpha1.NodeStateReasonNotProgrammed, programmed.Message
	case !slices.ContainsFunc(s.View.Network.NodePortIPs, beyondTheLink):
		c.Reason, c.Message = v1alpha1.NodeStateReasonNoAddress, "The node has none of the addresses that --nodeport-addresses asks for; link-local ones do not count."
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.NodeStateReasonServing, "Node ports are served."
	}
	return c
}
