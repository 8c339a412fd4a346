package conformance

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// What load balancers ask.
var healths = []behaviour{
	{
		name:  "a health check counts local endpoints",
		given: []object{with(everywhere().LocalTraffic(), pods("local1", "local2", "remote1"), unready("local3"))},
		probes: []probe{
			{from: "client", to: healthCheck("web"), over: overHTTP, want: "200, 2 local, weight 2, proxy healthy: true", eventually: true},
		},
		then: []step{
			{
				name:   "once they are elsewhere",
				change: put(with(everywhere().LocalTraffic(), pods("remote1"))),
				probes: []probe{{from: "client", to: healthCheck("web"), over: overHTTP, want: "503, 0 local, weight 0, proxy healthy: true", eventually: true}},
			},
			{
				name:   "once the last one terminates",
				change: put(with(everywhere().LocalTraffic(), lasting("local1"))),
				probes: []probe{{from: "client", to: healthCheck("web"), over: overHTTP, want: "503, 0 local, weight 0, proxy healthy: true", eventually: true}},
			},
			{
				name:   "once there is one",
				change: put(with(everywhere().LocalTraffic(), pods("local1"))),
				probes: []probe{{from: "client", to: healthCheck("web"), over: overHTTP, want: "200, 1 local, weight 1, proxy healthy: true", eventually: true}},
			},
			{
				name:   "once nobody needs it",
				change: put(with(everywhere(), pods("local1"))),
				probes: []probe{{from: "client", to: healthCheck("web"), over: overHTTP, want: refused, eventually: true}},
			},
		},
	},
	{
		name:  "a proxy says that its node is about to go",
		alone: true,
		given: []object{with(everywhere().LocalTraffic(), pods("local1"))},
		probes: []probe{
			{from: "client", to: healthz, over: overHTTP, want: "200", eventually: true},
			{from: "client", to: livez, over: overHTTP, want: "200", eventually: true},
		},
		then: []step{{
			name:   "once it is marked",
			change: markForRemoval,
			probes: []probe{
				{from: "client", to: healthz, over: overHTTP, want: "503", eventually: true},
				{from: "client", to: livez, over: overHTTP, want: "200"},
			},
		}},
	},
}

// markForRemoval taints the node as the cluster autoscaler does before it takes it away.
func markForRemoval(ctx context.Context, w *world) error {
	patch := []byte(`{"spec":{"taints":[{"key":"ToBeDeletedByClusterAutoscaler","effect":"` + string(corev1.TaintEffectNoSchedule) + `"}]}}`)
	_, err := w.site.Plane.API.CoreV1().Nodes().Patch(ctx, w.site.NodeName, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	return err
}
