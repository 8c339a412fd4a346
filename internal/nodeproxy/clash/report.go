package clash

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
	"github.com/portolan-dev/portolan/internal/nodeproxy/ephemeral"
)

const (
	listed = 256 // how many clashes a NodePortNodeState has
	named  = 3   // how many a condition names

	// EventReason is that of the events of a node about new clashes with Services.
	EventReason = "NodePortClash"
)

// Report is what there is to say of a node's clashes.
type Report struct {
	// Clashes are all, in the order in which they matter.
	Clashes []Clash
	// Ephemeral is the range that the node's own connections have their ports from; zero: not known.
	Ephemeral ephemeral.Range
}

// Equal says whether two reports say the same.
func (r Report) Equal(o Report) bool {
	return r.Ephemeral == o.Ephemeral && slices.Equal(r.Clashes, o.Clashes)
}

// Fill writes the report into a status; its condition is appended.
func (r Report) Fill(status *v1alpha1.NodePortNodeStateStatus) {
	status.Clashes = nil
	for _, c := range r.Clashes[:min(listed, len(r.Clashes))] {
		status.Clashes = append(status.Clashes, c.Clash)
	}
	status.ClashingNodePorts = r.NodePorts()
	if r.Ephemeral != (ephemeral.Range{}) {
		status.EphemeralRange = r.Ephemeral.String()
	}
	status.Conditions = append(status.Conditions, r.Condition())
}

// NodePorts are the numbers that are not to be handed out, as text.
func (r Report) NodePorts() string {
	numbers := make(map[int32]bool)
	for _, c := range r.Clashes {
		if c.Kind != v1alpha1.ClashEphemeral {
			numbers[c.NodePort] = true
		}
	}
	return bitmap.Of(maps.Keys(numbers)).Text()
}

// Condition is NoClashes, without a time. Its reason is that of the worst, and its message says all.
func (r Report) Condition() metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.NodeStateNoClashes, Status: metav1.ConditionFalse}
	var ofServices, others, chosen []Clash
	for _, clash := range r.Clashes {
		switch {
		case clash.Kind == v1alpha1.ClashEphemeral:
			chosen = append(chosen, clash)
		case clash.OfService:
			ofServices = append(ofServices, clash)
		default:
			others = append(others, clash)
		}
	}
	var sentences []string
	say := func(clashes []Clash, reason, sentence string) {
		if len(clashes) > 0 {
			c.Reason = cmp.Or(c.Reason, reason)
			sentences = append(sentences, sentence)
		}
	}
	say(ofServices, v1alpha1.NodeStateReasonClashing, "Services have these node ports, and one of the two does not get its traffic: "+texts(ofServices)+".")
	say(chosen, v1alpha1.NodeStateReasonEphemeralOverlap, fmt.Sprintf("The node may give node ports of Services (%s) to its own outgoing connections, "+
		"whose ports are from %s: reserve them with --reserve-ephemeral.", ports(chosen), r.Ephemeral))
	say(others, v1alpha1.NodeStateReasonInTheWay, "These numbers are not handed out: "+texts(others)+".")
	if len(sentences) == 0 {
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.NodeStateReasonClear
		sentences = []string{"Nothing else uses a number of the node port range."}
	}
	c.Message = strings.Join(sentences, " ")
	return c
}

// ports lists some numbers, and how many more there are.
func ports(clashes []Clash) string {
	var all []string
	for _, c := range clashes[:min(named, len(clashes))] {
		all = append(all, c.port().String())
	}
	return joined(all, len(clashes)-named)
}

// texts says some clashes, and how many more there are.
func texts(clashes []Clash) string {
	var all []string
	for _, c := range clashes[:min(named, len(clashes))] {
		all = append(all, c.String())
	}
	return joined(all, len(clashes)-named)
}

func joined(texts []string, more int) string {
	if more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}

// String says who uses what.
func (c Clash) String() string {
	switch c.Kind {
	case v1alpha1.ClashHostPort:
		return fmt.Sprintf("Pod %s has the hostPort %s", c.Process, c.port())
	case v1alpha1.ClashEphemeral:
		return fmt.Sprintf("outgoing connections may have %s", c.port())
	}
	who := c.Process
	if who == "" {
		who = "a process"
	}
	return fmt.Sprintf("%s listens on %s", who, c.port())
}

// New are the clashes with Services that were not there before, for events: each is said once, and again only after it has
// gone. Those with outgoing connections are left to the condition.
func (r Report) New(before Report) []Clash {
	had := make(map[Port]bool)
	for _, c := range before.Clashes {
		if c.tellable() {
			had[c.port()] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(r.Clashes), func(c Clash) bool { return !c.tellable() || had[c.port()] })
}

func (c Clash) tellable() bool { return c.OfService && c.Kind != v1alpha1.ClashEphemeral }

// Sentence says who uses what, and what comes of it.
func (c Clash) Sentence() string {
	text := c.String()
	if c.Process == "" { // else it begins with a name
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	switch {
	case c.Kind == v1alpha1.ClashEphemeral:
		return text + ", which is a node port of a Service: they may get each other's packets."
	case c.OfService:
		return text + ", which is a node port of a Service: one of the two does not get its traffic."
	}
	return text + ", which is not handed out."
}

// Note is the text of an event of a Node. Events of objects without a namespace are in "default", which may be a tenant's: so
// it names neither Pod nor process, but where operators read who it is.
func (c Clash) Note(node string) string {
	uses := "a process of the node listens on"
	if c.Kind == v1alpha1.ClashHostPort {
		uses = "a Pod of the node has the hostPort"
	}
	return fmt.Sprintf("%s %s, which is the node port of a Service: one of the two does not get its traffic. Who it is: kubectl get npns %s -o yaml",
		uses, c.port(), node)
}
