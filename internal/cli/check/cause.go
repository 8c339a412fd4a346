package check

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/knock"
)

// Cause is why a door does not answer as it should.
type Cause struct {
	// Says is it, in a sentence without a full stop; empty: there is nothing to say.
	Says string `json:"says,omitempty"`
	// Expected: it is not to answer.
	Expected bool `json:"expected,omitempty"`
	// Commands mend it, or show what to look at next.
	Commands []string `json:"commands,omitempty"`
}

// examiner knows a door and the cluster it is in.
type examiner struct {
	*picture.Picture
	Door
	answer knock.Answer
	// from is the node from which it was tried; empty: here.
	from string
	// elsewhere: the same port answers at another node, tried from the same place.
	elsewhere bool
}

// causeOf says why, by the cluster's own objects: what is certain before what is likely.
func (e examiner) causeOf() Cause {
	if e.answer.Outcome == knock.OK {
		return e.wrongPod()
	}
	if e.answer.Outcome == knock.Unknown {
		return Cause{Says: e.unknown(), Expected: true}
	}
	for _, look := range []func() (Cause, bool){e.unready, e.refusing, e.nowhere, e.elsewhereThanNodes, e.ruleless, e.away, e.clashing, e.early, e.silent} {
		if cause, ok := look(); ok {
			return cause
		}
	}
	return Cause{}
}

func (e examiner) unknown() string {
	if e.Protocol == "UDP" {
		return "whether UDP answers cannot be told without a datagram to send: --udp-payload"
	}
	return e.Protocol + " is not tried"
}

// wrongPod is an answer of who is none of the Service's endpoints, by the answer's own account.
func (e examiner) wrongPod() Cause {
	names := e.podNames()
	if e.answer.Pod == "" || len(names) == 0 || slices.Contains(names, e.answer.Pod) {
		return Cause{}
	}
	return Cause{
		Says:     fmt.Sprintf("%s answers, by what it says of itself, which is no pod of the Service (%s)", e.answer.Pod, term.Few(names, few)),
		Commands: []string{fmt.Sprintf("kubectl -n %s get endpointslices -l %s=%s -o wide", e.Of.Namespace, discoveryv1.LabelServiceName, e.Of.Name), e.who()},
	}
}

// unready is a node that Kubernetes does not count on.
func (e examiner) unready() (Cause, bool) {
	at := slices.IndexFunc(e.Nodes, func(n corev1.Node) bool { return n.Name == e.Node })
	if at < 0 || slices.ContainsFunc(e.Nodes[at].Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	}) {
		return Cause{}, false
	}
	return Cause{Says: "the node is not Ready", Commands: []string{"kubectl describe node " + e.Node}}, true
}

// state is what the node's node-proxy reports; nil: nothing.
func (e examiner) state() *v1alpha1.NodePortNodeState {
	if at := slices.IndexFunc(e.NodeStates, func(s v1alpha1.NodePortNodeState) bool { return s.Name == e.Node }); at >= 0 {
		return &e.NodeStates[at]
	}
	return nil
}

// ruleless is a node whose node-proxy serves the Service, and does not have the number in force.
func (e examiner) ruleless() (Cause, bool) {
	serving := e.Serving(e.Of, e.Port.NodePort)
	if slices.Contains(serving.Programmed, e.Node) {
		return Cause{}, false
	}
	switch label, labelled := e.Of.Labels[v1alpha1.ServiceProxyNameLabel]; {
	case slices.Contains(serving.Nodes, e.Node) && e.Lately(e.Of, e.Port.NodePort):
		return Cause{}, false
	case slices.Contains(serving.Nodes, e.Node):
		return Cause{Says: "the rules are missing there: its node-proxy does not have the number in force", Commands: nodeProxyOf(e.Node)}, true
	case labelled:
		return Cause{Says: fmt.Sprintf("no proxy of the name %q reports that it serves the Service there", label), Commands: nodeProxyOf(e.Node)}, true
	}
	return Cause{}, false
}

// nowhere is a Service without a ready endpoint.
func (e examiner) nowhere() (Cause, bool) {
	if !e.known() || e.Endpoints(e.Of).Ready > 0 {
		return Cause{}, false
	}
	return Cause{Says: fmt.Sprintf("no pod of the Service is ready, of %d", e.Endpoints(e.Of).Total), Commands: []string{e.pods()}}, true
}

// elsewhereThanNodes is an address that the caller has named and that no node has.
func (e examiner) elsewhereThanNodes() (Cause, bool) {
	if len(e.Nodes) == 0 || e.Node != e.Address.Addr().String() {
		return Cause{}, false
	}
	return Cause{
		Says:     "no node has this address: it may lead to one, as a load balancer's does, or be a node's loopback address, where not every proxy serves node ports",
		Commands: []string{"kubectl get nodes -o wide"},
	}, true
}

// away is a node that is not to answer: the Service's traffic stays on nodes that have its pods.
func (e examiner) away() (Cause, bool) {
	if !e.known() || !e.local() || e.Endpoints(e.Of).OnNodes[e.Node] > 0 {
		return Cause{}, false
	}
	return Cause{Says: "as it is to be: externalTrafficPolicy is Local, and no ready pod is there", Expected: true}, true
}

// clashing is a number that something else uses on the node.
func (e examiner) clashing() (Cause, bool) {
	for _, clash := range e.NodeClashes(e.Port.NodePort) {
		if clash.Node == e.Node && clash.Kind != v1alpha1.ClashEphemeral && string(clash.Protocol) == e.Protocol {
			return Cause{Says: fmt.Sprintf("something else uses the number there: %s (%s)", clash.Process, clash.Kind), Commands: []string{e.who()}}, true
		}
	}
	return Cause{}, false
}

// early is a number that its Service has got so lately that a node which has the rules may not have said so yet.
func (e examiner) early() (Cause, bool) {
	serving := e.Serving(e.Of, e.Port.NodePort)
	if !slices.Contains(serving.Nodes, e.Node) || slices.Contains(serving.Programmed, e.Node) {
		return Cause{}, false // ruleless has told of one that is older
	}
	return Cause{
		Says: "whether the rules are there is not reported yet: nodes report once a minute, and the Service has the number for less",
		Commands: []string{
			fmt.Sprintf("kubectl portolan check %s -n %s   # in a minute", e.Of.Name, e.Of.Namespace),
			fmt.Sprintf("kubectl -n %s exec POD -- node-proxy show %d", nodeNamespace, e.Port.NodePort),
		},
	}, true
}

// silent is what is left: the rules are there as far as is known, and so are ready pods.
func (e examiner) silent() (Cause, bool) {
	if !e.known() {
		return Cause{Says: "why cannot be told without the right to read EndpointSlices", Commands: []string{e.who()}}, true
	}
	pods := e.podNames()
	if e.local() {
		pods = e.podNamesOn(e.Node)
	}
	target := e.Port.TargetPort.String()
	reported := slices.Contains(e.Serving(e.Of, e.Port.NodePort).Programmed, e.Node)
	switch {
	case reported && e.elsewhere && !e.local():
		return Cause{
			Says:     "other nodes answer, and this one has reported that it has the number in force: its rules may have gone since, something may be in the way, or one of several pods does not answer",
			Commands: append(nodeProxyOf(e.Node), fmt.Sprintf("kubectl -n %s exec POD -- node-proxy show %d", nodeNamespace, e.Port.NodePort)),
		}, true
	case reported:
		return Cause{
			Says:     fmt.Sprintf("the node has reported that it has the rules, so it is most likely a pod that is ready and does not answer at targetPort %s (%s), or something on the way, such as a firewall or a NetworkPolicy", target, term.Few(pods, few)),
			Commands: []string{e.pods(), fmt.Sprintf("kubectl -n %s get networkpolicies", e.Of.Namespace)},
		}, true
	}
	return Cause{
		Says:     fmt.Sprintf("the cluster's own proxy serves it there, and says nothing of it: look at that, at the pods at targetPort %s (%s), and at what is on the way", target, term.Few(pods, few)),
		Commands: []string{e.pods(), fmt.Sprintf("kubectl -n kube-system get pods -o wide --field-selector spec.nodeName=%s", e.Node)},
	}, true
}

// nodeProxyOf are the commands that show how a node's node-proxy is.
func nodeProxyOf(node string) []string {
	return []string{
		"kubectl describe npns " + node,
		fmt.Sprintf("kubectl -n %s get pods -o wide --field-selector spec.nodeName=%s", nodeNamespace, node),
	}
}

func (e examiner) known() bool {
	return !slices.ContainsFunc(e.Gaps, func(g picture.Gap) bool { return g.Kind == picture.EndpointSlices })
}

func (e examiner) local() bool {
	return e.Of.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
}

func (e examiner) who() string { return fmt.Sprintf("kubectl portolan who %d", e.Port.NodePort) }

// pods is the command that lists the Service's.
func (e examiner) pods() string {
	var labels []string
	for key, value := range e.Of.Spec.Selector {
		labels = append(labels, key+"="+value)
	}
	slices.Sort(labels)
	return strings.TrimSuffix(fmt.Sprintf("kubectl -n %s get pods -o wide -l %s", e.Of.Namespace, strings.Join(labels, ",")), " -l ")
}

// podNames are those of the Service's ready endpoints.
func (e examiner) podNames() []string { return e.podNamesOn("") }

// podNamesOn are those on a node; "": on all.
func (e examiner) podNamesOn(node string) []string {
	var names []string
	for i := range e.EndpointSlices {
		slice := &e.EndpointSlices[i]
		if slice.Namespace != e.Of.Namespace || slice.Labels[discoveryv1.LabelServiceName] != e.Of.Name {
			continue
		}
		for _, endpoint := range slice.Endpoints {
			if endpoint.TargetRef != nil && ptr.Deref(endpoint.Conditions.Ready, true) && (node == "" || ptr.Deref(endpoint.NodeName, "") == node) {
				names = append(names, endpoint.TargetRef.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// few is how many names of nodes or pods are listed.
const few = 4
