// Package move is the verb move: a Service changes a node port, and both numbers answer for a while.
//
// The policy:
//   - The Service itself carries both, the new number in a second entry of spec.ports to the same targetPort. Another Service
//     could not hand its number over without a gap: the API server gives no number to two Services.
//   - Every step is one write of one object. So between steps there is nothing that is half done, and the state of a move
//     is what the Service says: its entries, and an annotation that tells which of them are about the move.
//   - The step to the next state is taken only when nodes answer by it. What answers on the old number does so until the
//     last step; what answers on the new one, from the moment that it is announced.
//   - The Service's own entry takes the new number before the old one goes: until then whoever applies the old manifest is
//     refused, and whoever applies the new one changes nothing.
package move

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Annotation of a Service says that one of its numbers is on the move. It is a Mark in JSON.
const Annotation = "portolan.dev/move"

// Mark is what is going on.
type Mark struct {
	// Ports are the names of the entries that change their number: several where protocols share one.
	Ports []string `json:"ports"`
	// From and To are the old number and the new one.
	From int32 `json:"from"`
	To   int32 `json:"to"`
	// Since is when it began, to the second.
	Since metav1.Time `json:"since"`
	// Switched is when the own entries took the new number; nil: they have not.
	Switched *metav1.Time `json:"switched,omitempty"`
}

// is says whether another mark is of the same move.
func (m *Mark) is(other *Mark) bool {
	return m.From == other.From && m.To == other.To && m.Since.Equal(&other.Since) && slices.Equal(m.Ports, other.Ports)
}

// markOf reads a Service's; nil: it has none.
func markOf(svc *corev1.Service) (*Mark, error) {
	text, ok := svc.Annotations[Annotation]
	if !ok {
		return nil, nil
	}
	m := &Mark{}
	if err := json.Unmarshal([]byte(text), m); err != nil || len(m.Ports) == 0 || m.From == 0 || m.To == 0 {
		return nil, fmt.Errorf("annotation %s of Service %s says %q, which kubectl portolan move has not written: take it off with kubectl annotate service %s -n %s %s-",
			Annotation, svc.Name, text, svc.Name, svc.Namespace, Annotation)
	}
	return m, nil
}

func (m *Mark) put(svc *corev1.Service) {
	text, _ := json.Marshal(m) // strings, numbers and a time always can be
	metav1.SetMetaDataAnnotation(&svc.ObjectMeta, Annotation, string(text))
}

// second is the name of the second entry of a name.
func second(name string) string {
	const suffix = "-move"
	return name[:min(len(name), validation.DNS1123LabelMaxLength-len(suffix))] + suffix
}

// entry is the Service's of a name; nil: it has none.
func entry(svc *corev1.Service, name string) *corev1.ServicePort {
	i := slices.IndexFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &svc.Spec.Ports[i]
}

// Stage is how far a move is that has begun.
type Stage string

const (
	// Opened moves have the new number in a second entry.
	Opened Stage = "Opened"
	// Switched moves have the new number in the Service's own entry, and the old one in the second.
	Switched Stage = "Switched"
	// Done moves have the new number in the own entry, and no second one. Where a mark is left somebody else has ended it.
	Done Stage = "Done"
	// Undone moves have the old number in the own entry, and no second one.
	Undone Stage = "Undone"
	// Astray moves have entries that no step makes: somebody else has changed them.
	Astray Stage = "Astray"
)

// stage is that of a Service with this mark. Where protocols share the number all their entries must say the same.
func (m *Mark) stage(svc *corev1.Service) Stage {
	at := m.stageOf(svc, m.Ports[0])
	for _, name := range m.Ports[1:] {
		if m.stageOf(svc, name) != at {
			return Astray
		}
	}
	return at
}

func (m *Mark) stageOf(svc *corev1.Service, name string) Stage {
	own, other := entry(svc, name), entry(svc, second(name))
	switch {
	case own == nil:
		return Astray
	case other == nil && own.NodePort == m.To:
		return Done
	case other == nil && own.NodePort == m.From:
		return Undone
	case other != nil && own.NodePort == m.From && other.NodePort == m.To:
		return Opened
	case other != nil && own.NodePort == m.To && other.NodePort == m.From:
		return Switched
	}
	return Astray
}
