package format

import (
	corev1 "k8s.io/api/core/v1"
)

// targetGroup is as of Prometheus' file_sd_configs.
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// writePrometheusSD writes a target for each TCP port and node. Labels that begin with __meta_ are there for relabelling, and
// gone after it.
func writePrometheusSD(w *writer) {
	groups := []targetGroup{}
	for i := range w.inv.Ports {
		p := &w.inv.Ports[i]
		if p.Protocol != corev1.ProtocolTCP {
			w.left = append(w.left, described(p)+": left out, since Prometheus asks over TCP")
			continue
		}
		for _, n := range p.Nodes {
			groups = append(groups, targetGroup{
				Targets: []string{place(n, p.Number).String()},
				Labels: map[string]string{
					"namespace": p.Namespace, "service": p.Service, "port": p.Name, "node": n.Name,
					"__meta_portolan_node_port":    number(p.Number),
					"__meta_portolan_service_port": number(p.Port),
					"__meta_portolan_pool":         p.Pool,
				},
			})
		}
	}
	w.json(groups)
}
