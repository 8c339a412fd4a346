package conformance

import "slices"

// behaviours are all cases.
func behaviours() []behaviour {
	return slices.Concat(frontends, choices, masquerading, affinities, flowing, selections, healths, guarding)
}
