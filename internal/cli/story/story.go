// Package story is what there is to tell of a number: who holds it, since when, how it came to it, who serves it, and who
// may reach it. It is pure.
package story

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

// Story is what there is to tell of a number.
type Story struct {
	// NodePort is the number.
	NodePort int32 `json:"nodePort"`
	// State is what it is at the moment: Free, InUse, Pending, Held, Reserved, Conflict, Clashing, Outside or Unknown.
	State picture.State `json:"state"`
	// Pool is that which it was taken from, or is in; absent: none.
	Pool string `json:"pool,omitempty"`
	// Namespace and Service are who has it, or whom it is kept for; absent: nobody.
	Namespace string `json:"namespace,omitempty"`
	Service   string `json:"service,omitempty"`
	// Summary is all of that in a sentence.
	Summary string `json:"summary"`
	// Facts are what else there is to know, the most important first.
	Facts []Fact `json:"facts,omitempty"`
}

// Fact is something to know of a number.
type Fact struct {
	// About says what it is about, in a word or two: "Pool", "Last traffic".
	About string `json:"about"`
	// Says is it, in short lines.
	Says []string `json:"says"`
	// Trouble: traffic may go astray.
	Trouble bool `json:"trouble,omitempty"`
}

// Of tells of a number.
func Of(p *picture.Picture, number int32) Story {
	n := p.Number(number)
	s := Story{NodePort: number, State: n.State, Pool: n.PoolName()}
	if owner, ok := n.Owner(); ok {
		s.Namespace, s.Service = owner.Namespace, owner.Name
	}
	s.Summary = summary(p, n)
	t := teller{Picture: p, Number: n}
	for _, tell := range []func() *Fact{
		t.conflict, t.clashes, t.ports, t.pool, t.breach, t.since, t.cause, t.kept, t.nodes, t.endpoints, t.traffic, t.access, t.namespaces, t.assumption, t.advice,
	} {
		if fact := tell(); fact != nil {
			s.Facts = append(s.Facts, *fact)
		}
	}
	return s
}

// teller knows what a story is about.
type teller struct {
	*picture.Picture
	picture.Number
}

func summary(p *picture.Picture, n picture.Number) string {
	owner, owned := n.Owner()
	switch n.State {
	case picture.InUse:
		return fmt.Sprintf("%d is in use by Service %s.", n.Number, owner)
	case picture.Conflict:
		return fmt.Sprintf("%d is carried by %d Services; it is Service %s's.", n.Number, carriersOf(n, owner), owner)
	case picture.Pending:
		if n.Lapsed {
			return fmt.Sprintf("%d was claimed for Service %s, which never came.", n.Number, owner)
		}
		return fmt.Sprintf("%d is claimed for Service %s, which is just being created.", n.Number, owner)
	case picture.Held:
		if !owned {
			return fmt.Sprintf("%d is kept for a Service of your namespace that has gone.", n.Number)
		}
		if svc := movedOn(p, n); svc != nil {
			return fmt.Sprintf("%d is held for Service %s, which has %s.", n.Number, owner, numbersNow(svc))
		}
		return fmt.Sprintf("%d is held for Service %s, which has gone.", n.Number, owner)
	case picture.Reserved:
		return fmt.Sprintf("%d is reserved for Service %s, which does not carry it.", n.Number, owner)
	case picture.Clashing:
		return fmt.Sprintf("%d is nobody's, and is not handed out: something else uses it on a node.", n.Number)
	case picture.Outside:
		return fmt.Sprintf("%d is not in the node port range %d-%d: no Service can have it.", n.Number, p.ClusterRange.From, p.ClusterRange.To)
	case picture.Unknown:
		return fmt.Sprintf("%d is none of the numbers that you may see: nobody's, or another namespace's.", n.Number)
	}
	return fmt.Sprintf("%d is free.", n.Number)
}

// carriersOf counts the owner among them even if it does not carry the number.
func carriersOf(n picture.Number, owner types.NamespacedName) int {
	count := len(n.Carriers)
	for _, svc := range n.Carriers {
		if svc.Namespace == owner.Namespace && svc.Name == owner.Name {
			return count
		}
	}
	return count + 1
}

// labelWidth is that of what facts are about.
const labelWidth = 14

// Text is the story for a screen.
func (s Story) Text(screen term.Screen) string {
	var b strings.Builder
	for _, line := range term.Wrap(s.Summary, screen.Width) {
		b.WriteString(screen.Paint(term.Bold, line) + "\n")
	}
	for _, fact := range s.Facts {
		label := fact.About
		style := term.Plain
		if fact.Trouble {
			style = term.Red
		}
		for _, says := range fact.Says {
			for _, line := range term.Wrap(says, screen.Width-labelWidth-2) {
				fmt.Fprintf(&b, "  %s%s\n", screen.Paint(term.Faint, term.Pad(label, labelWidth)), screen.Paint(style, line))
				label = ""
			}
		}
	}
	return b.String()
}
