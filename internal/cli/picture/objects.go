package picture

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Objects are what was read of a cluster. They must not be changed once they are in a Picture.
type Objects struct {
	// ClusterRange is the API server's node port range; the zero value is the one that pools have in their status, else
	// snapshot.DefaultRange.
	ClusterRange v1alpha1.PortRange
	// RangeAssumed: it is snapshot.DefaultRange because nobody has said what it is.
	RangeAssumed bool

	Pools          []v1alpha1.NodePortPool
	Allocations    []v1alpha1.NodePortAllocation
	Reservations   []v1alpha1.NodePortReservation
	Accesses       []v1alpha1.NodePortAccess
	Usages         []v1alpha1.NodePortUsage
	NodeStates     []v1alpha1.NodePortNodeState
	Services       []corev1.Service
	Namespaces     []corev1.Namespace
	Nodes          []corev1.Node
	EndpointSlices []discoveryv1.EndpointSlice

	// Gaps are the kinds that the caller may not read, or only in one namespace.
	Gaps []Gap
}

// Kind is a kind of objects, by the API's name of the resource.
type Kind string

// The kinds that a picture is made of.
const (
	Pools          Kind = "nodeportpools"
	Allocations    Kind = "nodeportallocations"
	Reservations   Kind = "nodeportreservations"
	Accesses       Kind = "nodeportaccesses"
	Usages         Kind = "nodeportusages"
	NodeStates     Kind = "nodeportnodestates"
	Services       Kind = "services"
	Namespaces     Kind = "namespaces"
	Nodes          Kind = "nodes"
	EndpointSlices Kind = "endpointslices"
)

// viewers are the ClusterRoles of config/rbac that let people read our kinds of the whole cluster.
var viewers = map[Kind]string{
	Pools:        "portolan-nodeportpool-viewer-role",
	Allocations:  "portolan-nodeportallocation-viewer-role",
	Reservations: "portolan-nodeportreservation-viewer-role",
	Accesses:     "portolan-nodeportaccess-viewer-role",
	Usages:       "portolan-nodeportusage-viewer-role",
	NodeStates:   "portolan-nodeportnodestate-viewer-role",
}

// Gap is a kind of which not all could be read.
type Gap struct {
	Kind Kind
	// Namespace is the only one of which it was read; empty: nothing of it was.
	Namespace string
}

// Complete says whether all of these kinds were read, of all namespaces.
func (o *Objects) Complete(kinds ...Kind) bool {
	return !slices.ContainsFunc(o.Gaps, func(g Gap) bool { return slices.Contains(kinds, g.Kind) })
}

// GapsText says in a sentence which of these kinds, or with none of all, are missing, and which roles give the right to read
// them; "" where none is.
func (o *Objects) GapsText(kinds ...Kind) string {
	var partly, missing, roles []string
	namespace := ""
	for _, g := range o.Gaps {
		if len(kinds) > 0 && !slices.Contains(kinds, g.Kind) {
			continue
		}
		if g.Namespace == "" {
			missing = append(missing, string(g.Kind))
		} else {
			partly, namespace = append(partly, string(g.Kind)), g.Namespace
		}
		if role := viewers[g.Kind]; role != "" {
			roles = append(roles, role)
		}
	}
	var texts []string
	if len(missing) > 0 {
		texts = append(texts, "You may not list "+list(missing))
	}
	if len(partly) > 0 {
		texts = append(texts, fmt.Sprintf("you see %s of namespace %s only", list(partly), namespace))
	}
	if len(texts) == 0 {
		return ""
	}
	text := strings.Join(texts, ", and ") + "."
	if len(roles) > 0 {
		text += fmt.Sprintf(" %s %s, bound to you by a ClusterRoleBinding, would show more.", counted("ClusterRole", len(roles)), list(roles))
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func counted(word string, n int) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// list is "a, b and c".
func list(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
