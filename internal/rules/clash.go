package rules

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// What else uses a number on nodes, as NodePortNodeStates tell. No number that clashes anywhere is picked; one that is
// asked for, or that a Service had before, is let through with a warning. Tenants read on how many nodes it does, and
// never on which, nor with what of a name.

// Clash is how many nodes have something else at a number, of one kind and protocol.
type Clash struct {
	// Protocol is that of the port there; empty: it is not known, and may be any.
	Protocol corev1.Protocol
	// Kind is HostListener or HostPort; empty: it is not known.
	Kind  v1alpha1.ClashKind
	Nodes int
}

// clashWords are the kinds as tenants read them, in the order in which they do.
var clashWords = []struct {
	kind v1alpha1.ClashKind
	text string
}{
	{v1alpha1.ClashHostListener, "a process"},
	{v1alpha1.ClashHostPort, "a hostPort"},
	{"", "something else"},
}

// ClashesWith says what a request's number clashes with, as "a process on 2 nodes and a hostPort on 1 node"; "" for
// nothing. Who uses the number with another protocol does not matter.
func ClashesWith(clashes []Clash, r serviceports.Request) string {
	var texts []string
	for _, word := range clashWords {
		nodes := 0
		for _, c := range clashes {
			if c.Kind == word.kind && (c.Protocol == "" || slices.Contains(protocolsOf(r), c.Protocol)) {
				nodes = max(nodes, c.Nodes) // what has TCP and UDP is mostly the same
			}
		}
		if nodes > 0 {
			texts = append(texts, fmt.Sprintf("%s on %s", word.text, counted(nodes, "node")))
		}
	}
	return strings.Join(texts, " and ")
}

func protocolsOf(r serviceports.Request) []corev1.Protocol {
	if r.Role == serviceports.HealthCheck {
		return []corev1.Protocol{corev1.ProtocolTCP}
	}
	var protocols []corev1.Protocol
	for _, p := range r.Ports {
		protocols = append(protocols, p.Protocol)
	}
	return protocols
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// clashing warns of the numbers that no error is about and that something else uses on nodes.
func (j *judge) clashing() {
	for _, r := range j.answer.Claimable() {
		if r.NodePort == 0 {
			continue
		}
		if with := ClashesWith(j.ledger.Clashes(r.NodePort), r); with != "" {
			j.answer.warn("%s: %d clashes with %s: one of the two gets no traffic there%s", r.Path(), r.NodePort, with, freeNow(j.ledger, j.Namespace, j.answer.Pools))
		}
	}
}
