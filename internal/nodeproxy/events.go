package nodeproxy

import (
	"context"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
)

// Events are for what only this node knows. A conflict of two Services, for example, all nodes see: five thousand of them
// would say the same at once.

// reasonHealthCheck is kube-proxy's.
const reasonHealthCheck = "FailedToStartServiceHealthcheck"

func newEvents(cfg *rest.Config) (events.EventBroadcaster, events.EventRecorder, error) {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, nil, err
	}
	b := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	return b, b.NewRecorder(scheme.Scheme, "portolan-node-proxy"), nil
}

// sendEvents sends until ctx ends. What is not sent by then is lost.
func (a *Agent) sendEvents(ctx context.Context) error {
	defer a.broadcaster.Shutdown()
	if err := a.broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// healthCheckFailed tells the Service's owner that load balancers cannot ask this node for it.
func (a *Agent) healthCheckFailed(name types.NamespacedName, at netip.AddrPort, err error) {
	if svc, _ := a.tracker.Service(name); svc != nil {
		a.events.Eventf(svc, nil, corev1.EventTypeWarning, reasonHealthCheck, "Listen",
			"node %s cannot listen on healthCheckNodePort %s: %v", a.options.Node.Name, at, err)
	}
}
