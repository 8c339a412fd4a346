package move

import (
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The steps. Each changes a Service from one stage to another, and is to be written at once.

// errAstray says that no step follows: somebody else has changed the entries.
var errAstray = errors.New("somebody has changed spec.ports during the move, so that it cannot go on")

// open gives the Service a second entry with the new number for each that changes, and the mark. rename is the name of an
// entry that has none and needs one now; empty: all have.
func open(svc *corev1.Service, m *Mark, rename string) {
	if rename != "" {
		entry(svc, "").Name = rename
		m.Ports = []string{rename}
	}
	port := freePort(svc, m.To)
	for _, name := range m.Ports {
		e := entry(svc, name).DeepCopy()
		e.Name, e.Port, e.NodePort = second(name), port, m.To
		svc.Spec.Ports = append(svc.Spec.Ports, *e)
	}
	m.put(svc)
}

// freePort is the Service's `port` for second entries: no two may have the same with one protocol. It is the new number
// itself, which says what it is for, or the next that is free.
func freePort(svc *corev1.Service, to int32) int32 {
	const last = 65535
	for port := to; ; port = port%last + 1 { // a Service has fewer entries than there are ports
		if !slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == port }) {
			return port
		}
	}
}

// change has the Service's own entries take the new number, and the second ones the old.
func change(svc *corev1.Service, m *Mark, now time.Time) {
	for _, name := range m.Ports {
		entry(svc, name).NodePort, entry(svc, second(name)).NodePort = m.To, m.From
	}
	switched := metav1.NewTime(now.Add(time.Second - 1).Truncate(time.Second)) // rather later, so that nobody waits for less
	m.Switched = &switched
	m.put(svc)
}

// finish takes the second entries away, and with them the old number. One that alone has the old number stays: where
// somebody has taken the own entry away, or renamed it, there is no other.
func finish(svc *corev1.Service, m *Mark) {
	var gone []string
	for _, name := range m.Ports {
		other := entry(svc, second(name))
		if other != nil && (other.NodePort != m.From || entry(svc, name) != nil) {
			gone = append(gone, other.Name)
		}
	}
	svc.Spec.Ports = slices.DeleteFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool { return slices.Contains(gone, p.Name) })
	delete(svc.Annotations, Annotation)
}

// undo gives the own entries the old number back, and ends the move. Where neither they nor the second ones have it any more
// what somebody else has changed stays as it is.
func undo(svc *corev1.Service, m *Mark) {
	for _, name := range m.Ports {
		own, other := entry(svc, name), entry(svc, second(name))
		if own != nil && (own.NodePort == m.To || other != nil && other.NodePort == m.From) {
			own.NodePort = m.From
		}
	}
	finish(svc, m)
}

// next takes the step that follows on the stage of a Service, or says errAstray: there is none.
func next(svc *corev1.Service, m *Mark, now time.Time) error {
	switch m.stage(svc) {
	case Opened:
		change(svc, m, now)
	case Switched, Done, Undone:
		finish(svc, m)
	default:
		return errAstray
	}
	return nil
}
