package rules

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/serviceports"
)

// ProxyName is the proxy that the pools of a new Service's numbers give it to; "": it is left to the cluster's own.
//
// One proxy serves all of a Service. So all of its numbers count, chosen or set, healthCheckNodePort too, and all of
// their pools must name the same proxy. Whose the number is decides, not who selects the namespace. A Service whose
// numbers are not all known yet is left alone.
func ProxyName(c *Chart, svc *corev1.Service) string {
	name := ""
	for i, r := range serviceports.Requests(svc) {
		pool := c.PoolOf(r.NodePort)
		if pool == nil || i > 0 && pool.Spec.ServiceProxyName != name {
			return ""
		}
		name = pool.Spec.ServiceProxyName
	}
	return name
}
