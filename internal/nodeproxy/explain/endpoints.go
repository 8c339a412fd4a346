package explain

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/portolan-dev/portolan/internal/nodeproxy/endpoints"
)

// entry is an endpoint at its address.
type entry struct {
	address netip.Addr
	*endpoints.Endpoint
}

// endpoints lists what the EndpointSlices have.
func (s Subject) endpoints(b *strings.Builder) {
	all := entriesOf(s.Slices)
	if len(all) == 0 {
		fmt.Fprintln(b, "\nIts EndpointSlices have no endpoint.")
		return
	}
	fmt.Fprintln(b, "\nEndpoints")
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, e := range all {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", e.address, s.place(e.Endpoint), state(e.Endpoint))
	}
	_ = w.Flush() // to a Builder
}

// entriesOf are the endpoints by address, each once: while one moves between slices it is in two. Of those the one that
// connections are sent by is listed, as package route has it.
func entriesOf(all []*endpoints.Slice) []entry {
	var entries []entry
	for _, slice := range all {
		for i := range slice.Endpoints {
			e := &slice.Endpoints[i]
			if address, err := netip.ParseAddr(e.Address); err == nil {
				entries = append(entries, entry{address, e})
			}
		}
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Or(a.address.Compare(b.address), cmp.Compare(a.rank(), b.rank())) })
	return slices.CompactFunc(entries, func(a, b entry) bool { return a.address == b.address })
}

// rank is less where an endpoint is preferred to another one of its address.
func (e entry) rank() int {
	switch {
	case e.Terminating:
		return 2
	case !e.Ready:
		return 1
	}
	return 0
}

// place is where an endpoint is, and whom it is meant for.
func (s Subject) place(e *endpoints.Endpoint) string {
	place := "on no node"
	switch e.Node {
	case "":
	case s.Node.Name:
		place = "on this node"
	default:
		place = "on " + e.Node
	}
	if e.Hints == nil {
		return place
	}
	var whom []string
	for _, n := range e.Hints.ForNodes {
		whom = append(whom, n.Name)
	}
	for _, z := range e.Hints.ForZones {
		whom = append(whom, z.Name)
	}
	if len(whom) == 0 {
		return place
	}
	return fmt.Sprintf("%s, for %s", place, strings.Join(whom, " and "))
}

// state is what an endpoint's conditions mean.
func state(e *endpoints.Endpoint) string {
	switch {
	case e.Terminating && e.Ready:
		return "ready, though it is terminating: the Service publishes addresses that are not ready"
	case e.Terminating && e.Serving:
		return "terminating: serves on, and gets new connections only where nothing else is ready"
	case e.Terminating:
		return "terminating"
	case e.Ready:
		return "ready"
	}
	return "not ready"
}
