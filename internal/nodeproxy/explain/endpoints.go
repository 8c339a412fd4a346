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

// endpoints lists what the EndpointSlices have.
func (s Subject) endpoints(b *strings.Builder) {
	type entry struct {
		address netip.Addr
		*discoveryv1.Endpoint
	}
	var all []entry
	for _, slice := range s.Slices {
		for i := range slice.Endpoints {
			e := &slice.Endpoints[i]
			if address, err := netip.ParseAddr(first(e.Addresses)); err == nil {
				all = append(all, entry{address, e})
			}
		}
	}
	if len(all) == 0 {
		fmt.Fprintln(b, "\nIts EndpointSlices have no endpoint.")
		return
	}
	slices.SortStableFunc(all, func(a, b entry) int { return a.address.Compare(b.address) })
	fmt.Fprintln(b, "\nEndpoints")
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, e := range all {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", e.address, s.place(e.Endpoint), state(e.Endpoint))
	}
	_ = w.Flush() // to a Builder
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
	is := func(condition *bool, otherwise bool) bool { return *cmp.Or(condition, &otherwise) }
	switch {
	case is(e.Conditions.Terminating, false) && is(e.Conditions.Serving, true):
		return "terminating: serves on, and gets new connections only where nothing else is ready"
	case is(e.Conditions.Terminating, false):
		return "terminating"
	case is(e.Conditions.Ready, true):
		return "ready"
	}
	return "not ready"
}
