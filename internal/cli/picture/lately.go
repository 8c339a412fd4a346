package picture

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// reported is how long after a number came to its Service every node-proxy that has it in force has said so: they report once
// a minute, within 15 s, and a little is for the way. Source: internal/nodeproxy/report, and node-proxy's --report-spread.
const reported = 80 * time.Second

// Lately says whether a Service has got a number, by the ledger or by its own age, so lately that nodes which have it in
// force may not have reported it yet.
func (p *Picture) Lately(svc *corev1.Service, number int32) bool {
	since := svc.CreationTimestamp.Time
	if a := p.allocations[number]; a != nil {
		times := []time.Time{a.CreationTimestamp.Time}
		if a.Spec.ClaimTime != nil {
			times = append(times, a.Spec.ClaimTime.Time)
		}
		if a.Status.BoundTime != nil {
			times = append(times, a.Status.BoundTime.Time)
		}
		for _, at := range times {
			if at.After(since) {
				since = at
			}
		}
	}
	return p.Now.Sub(since) < reported
}
