package explain

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// Door is a number that a Service has on the node, whoever serves it there.
type Door struct {
	nft.Port
	// HealthCheck: load balancers ask there. It is open to everybody.
	HealthCheck bool
	// Ceiling is the pool that says whom nobody else may let in; nil: none does.
	Ceiling *access.Pool
	// Selecting are the NodePortAccess objects that are about it.
	Selecting []*access.Policy
	// Crowded: the node has no room for who may come in, so nobody may.
	Crowded bool
	// New are the new connections that it has taken; nil: nobody counts.
	New *uint64
}

// doors say who may reach the Service's numbers on the node, and how often somebody did.
func (s Subject) doors(b *strings.Builder) {
	if len(s.Doors) == 0 {
		return
	}
	fmt.Fprintln(b, "\nWho may reach it on this node")
	for _, d := range s.Doors {
		fmt.Fprintf(b, "  %s %d%s\n", d.Protocol.Name(), d.Number, d.purpose())
		for line := range s.door(d) {
			fmt.Fprintf(b, "    %s\n", line)
		}
	}
}

func (d Door) purpose() string {
	if d.HealthCheck {
		return ", for health checks"
	}
	return ""
}

// door is what there is to say of a door, a line for each thing.
func (s Subject) door(d Door) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range s.guard(d) {
			if !yield(line) {
				return
			}
		}
		if d.New != nil {
			yield(d.use())
		}
	}
}

// guard is who gets in.
func (s Subject) guard(d Door) []string {
	switch {
	case !s.Guarded:
		return []string{"It stays as open or closed as it was: who may is not known yet."}
	case d.Crowded:
		return []string{"Nobody may: the NodePortAccess objects of the namespace are too large for the node."}
	case d.Ceiling == nil && len(d.Selecting) == 0:
		return []string{"Everybody may."}
	}
	var lines []string
	for _, p := range d.Selecting {
		lines = append(lines, s.policy(p))
	}
	if d.Ceiling != nil {
		lines = append(lines, ceiling(d.Ceiling))
	}
	if d.Ceiling == nil && slices.ContainsFunc(d.Selecting, s.letsAllIn) {
		return lines
	}
	if d.Protocol == nft.TCP {
		return append(lines, "Whoever else comes from outside is refused.")
	}
	return append(lines, "What else comes from outside is dropped.")
}

// policy is whom a NodePortAccess lets in.
func (s Subject) policy(p *access.Policy) string {
	name := "NodePortAccess " + p.Name.Name
	switch {
	case len(p.Problems) > 0:
		return fmt.Sprintf("%s lets nobody in, as it cannot be read: %v", name, p.Problems[0])
	case !p.GrantsOn(s.Labels):
		return name + " lets nobody in on this node, but on others."
	}
	text := fmt.Sprintf("%s lets in %s", name, sources(p.Sources, "every source"))
	if len(p.Interfaces) > 0 {
		text += " by " + strings.Join(p.Interfaces, " and ")
	}
	if len(p.Addresses) > 0 {
		text += " at " + join(p.Addresses, mostRanges)
	}
	if p.Rate != (access.Rate{}) {
		text += fmt.Sprintf(", each with %s a second, and %d at once", newConnections(uint64(p.Rate.PerSecond)), p.Rate.Burst)
	}
	return text + "."
}

// letsAllIn says whether a NodePortAccess leaves nobody else.
func (s Subject) letsAllIn(p *access.Policy) bool {
	return len(p.Problems) == 0 && p.GrantsOn(s.Labels) && len(p.Sources)+len(p.Interfaces)+len(p.Addresses) == 0
}

// ceiling is whom a pool lets in at all.
func ceiling(p *access.Pool) string {
	if len(p.Sources) == 0 {
		return fmt.Sprintf("Pool %s lets nobody in.", p.Name)
	}
	return fmt.Sprintf("Pool %s lets in nobody but %s.", p.Name, sources(p.Sources, ""))
}

// mostRanges is how many ranges of addresses are listed.
const mostRanges = 8

// sources lists ranges of addresses, or says what there is without one.
func sources(blocks []access.Block, none string) string {
	if len(blocks) == 0 {
		return none
	}
	texts := make([]block, len(blocks))
	for i, b := range blocks {
		texts[i] = block(b)
	}
	return join(texts, mostRanges)
}

type block access.Block

func (b block) String() string {
	if len(b.Except) == 0 {
		return b.CIDR.String()
	}
	return fmt.Sprintf("%s without %s", b.CIDR, join(b.Except, mostRanges))
}

// use is how often the door was used.
func (d Door) use() string {
	switch *d.New {
	case 0:
		return "No connection has got in from outside since this is counted."
	case 1:
		return "1 new connection has got in from outside since this is counted."
	}
	return newConnections(*d.New) + " have got in from outside since this is counted."
}

func newConnections(n uint64) string {
	if n == 1 {
		return "1 new connection"
	}
	return fmt.Sprintf("%d new connections", n)
}
