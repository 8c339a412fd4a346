package serviceports

import corev1 "k8s.io/api/core/v1"

// CarryOver fills the numbers that an update leaves out with those of the live
// Service, and reports whether there were any. It does what the API server does
// later (patchAllocatedValues, pkg/registry/core/service/storage/storage.go)
// and more, so that a live port never moves:
//
//   - an entry takes the number of the entry of its name, as natively;
//   - else that of the entry with its protocol and `port`: it was renamed;
//   - a number goes to one entry a protocol, and explicit ones come first, so
//     TCP and UDP entries that shared a number go on sharing it;
//   - healthCheckNodePort stays while both need it.
//
// The name comes first since natively it decides alone: where the two disagree
// (names exchanged, `port`s moved up by one) no port moves because of us.
// Both Services must be ones whose numbers the API server chooses.
// A number that updated has is never changed.
func CarryOver(live, updated *corev1.Service) (changed bool) {
	if allocatesNodePorts(live) && allocatesNodePorts(updated) {
		changed = carryOverPorts(live.Spec.Ports, updated.Spec.Ports)
	}
	if needsHealthCheck(live) && needsHealthCheck(updated) &&
		updated.Spec.HealthCheckNodePort == 0 && live.Spec.HealthCheckNodePort != 0 {
		updated.Spec.HealthCheckNodePort = live.Spec.HealthCheckNodePort
		changed = true
	}
	return changed
}

func carryOverPorts(live, updated []corev1.ServicePort) (changed bool) {
	type identity struct {
		protocol corev1.Protocol
		port     int32
	}
	byName, byPort := map[string]int32{}, map[identity]int32{}
	for _, sp := range live {
		byName[sp.Name] = sp.NodePort
		byPort[identity{protocol(sp), sp.Port}] = sp.NodePort
	}

	taken := map[carried]bool{}
	for _, sp := range updated {
		taken[carried{sp.NodePort, protocol(sp)}] = true
	}
	fill := func(numberOf func(corev1.ServicePort) int32) {
		for i, sp := range updated {
			c := carried{numberOf(sp), protocol(sp)}
			if sp.NodePort != 0 || c.number == 0 || taken[c] {
				continue
			}
			updated[i].NodePort = c.number
			taken[c] = true
			changed = true
		}
	}
	fill(func(sp corev1.ServicePort) int32 { return byName[sp.Name] })
	fill(func(sp corev1.ServicePort) int32 { return byPort[identity{protocol(sp), sp.Port}] })
	return changed
}
