package route

// available tells which ready endpoints this node's traffic may use: those hinted for this node where every ready
// endpoint has a node hint and one of them names it; else those hinted for its zone by the same test; else all.
// A Service's trafficDistribution comes to us as such hints (KEP-2433, KEP-3015).
func available(endpoints []endpoint) func(endpoint) bool {
	nodeHint := func(e endpoint) hint { return e.node }
	zoneHint := func(e endpoint) hint { return e.zone }
	for _, kind := range []func(endpoint) hint{nodeHint, zoneHint} {
		if hintsApply(endpoints, kind) {
			return func(e endpoint) bool { return kind(e) == here }
		}
	}
	return func(endpoint) bool { return true }
}

// hintsApply says whether every ready endpoint has a hint of the kind, and one is for here.
func hintsApply(endpoints []endpoint, kind func(endpoint) hint) bool {
	forHere := false
	for _, e := range endpoints {
		if !e.ready {
			continue
		}
		if kind(e) == unhinted {
			return false
		}
		forHere = forHere || kind(e) == here
	}
	return forHere
}
