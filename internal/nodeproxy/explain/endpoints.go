package explain

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"

	discoveryv1 "k8s.io/api/discovery/v1"
)

// entry is an endpoint at its address.
type entry struct {
	address netip.Addr
	*discoveryv1.Endpoint
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
func entriesOf(all []*discoveryv1.EndpointSlice) []entry {
	var entries []entry
	for _, slice := range all {
		for i := range slice.Endpoints {
			e := &slice.Endpoints[i]
			if address, err := netip.ParseAddr(first(e.Addresses)); err == nil {
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
	case is(e.Conditions.Terminating, false):
		return 2
	case !is(e.Conditions.Ready, true):
		return 1
	}
	return 0
}

func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// place is where an endpoint is, and whom it is meant for.
func (s Subject) place(e *discoveryv1.Endpoint) string {
	place := "on no node"
	if e.NodeName != nil {
		place = "on " + *e.NodeName
		if *e.NodeName == s.Node.Name {
			place = "on this node"
		}
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
func state(e *discoveryv1.Endpoint) string {
	switch {
	case is(e.Conditions.Terminating, false) && is(e.Conditions.Ready, true):
		return "ready, though it is terminating: the Service publishes addresses that are not ready"
	case is(e.Conditions.Terminating, false) && is(e.Conditions.Serving, true):
		return "terminating: serves on, and gets new connections only where nothing else is ready"
	case is(e.Conditions.Terminating, false):
		return "terminating"
	case is(e.Conditions.Ready, true):
		return "ready"
	}
	return "not ready"
}

// is says whether a condition is met, and otherwise where it is not known.
func is(condition *bool, otherwise bool) bool { return *cmp.Or(condition, &otherwise) }
