package serviceports

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// DuplicateNumbers reports numbers that svc cannot carry twice; live is the
// Service before an update, nil on create. It refuses what Kubernetes 1.36
// refuses, and nothing else:
//
//   - one number on two entries of the same protocol: on create "provided port
//     is already allocated" (initNodePorts) or a Duplicate (ValidateService), on
//     update an internal error "duplicate nodePort" (updateNodePorts);
//   - one number on two entries with another `port`, on create only: "provided
//     port is already allocated". updateNodePorts lets it pass, such Services
//     exist, and as one Service holds the number nothing is lost by it;
//   - healthCheckNodePort and a nodePort on one number: already allocated, on both.
func DuplicateNumbers(live, svc *corev1.Service) field.ErrorList {
	var errs field.ErrorList
	entryWith := map[int32]*field.Path{}
	for _, r := range Requests(svc) {
		switch {
		case r.NodePort == 0:
		case r.Role == Traffic:
			entryWith[r.NodePort] = r.Path()
			errs = append(errs, r.clashes(live == nil)...)
		case entryWith[r.NodePort] != nil:
			errs = append(errs, field.Invalid(r.Path(), r.NodePort,
				fmt.Sprintf("already used by %s of this Service", entryWith[r.NodePort])))
		}
	}
	return errs
}

// clashes holds each entry of r against those before it: they may share the
// number if each has a protocol of its own and, with samePort, one `port`.
func (r Request) clashes(samePort bool) field.ErrorList {
	var errs field.ErrorList
	clash := func(p, with Port, what string) {
		errs = append(errs, field.Invalid(nodePortPath(p.Index), r.NodePort,
			fmt.Sprintf("already used by %s with %s", nodePortPath(with.Index), what)))
	}
	byProtocol := map[corev1.Protocol]Port{}
	for _, p := range r.Ports {
		if other, taken := byProtocol[p.Protocol]; taken {
			clash(p, other, "the same protocol")
		} else if first := r.Ports[0]; samePort && p.Port != first.Port {
			clash(p, first, "another `port`")
		}
		byProtocol[p.Protocol] = p
	}
	return errs
}
