package nodeproxy

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/portolan-dev/portolan/internal/nodeproxy/track"
)

// informers are the watches.
type informers struct {
	services, slices, node, serviceCIDRs cache.SharedIndexInformer
}

// newInformers makes the watches that the options ask for. They are not started.
func newInformers(cfg *rest.Config, o Options) (*informers, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.ContentType, cfg.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	core, discovery, networking := client.CoreV1().RESTClient(), client.DiscoveryV1().RESTClient(), client.NetworkingV1().RESTClient()
	i := &informers{
		// Headless ones have no frontends. Those of other proxies are watched too: a Service may be handed over.
		services: informer(core, "services", &corev1.Service{}, func(l *metav1.ListOptions) {
			l.FieldSelector = fields.OneTermNotEqualSelector("spec.clusterIP", corev1.ClusterIPNone).String()
		}),
		slices: informer(discovery, "endpointslices", &discoveryv1.EndpointSlice{}, func(l *metav1.ListOptions) {
			l.LabelSelector = "!" + corev1.IsHeadlessService
		}),
		node: informer(core, "nodes", &corev1.Node{}, func(l *metav1.ListOptions) {
			l.FieldSelector = fields.OneTermEqualSelector("metadata.name", o.Node.Name).String()
		}),
		serviceCIDRs: informer(networking, "servicecidrs", &networkingv1.ServiceCIDR{}, func(*metav1.ListOptions) {}),
	}
	for _, trim := range []struct {
		informer  cache.SharedIndexInformer
		transform cache.TransformFunc
	}{
		{i.services, track.TrimService(o.Selection.Takes)},
		{i.slices, track.TrimSlice},
	} {
		if err := trim.informer.SetTransform(trim.transform); err != nil {
			return nil, fmt.Errorf("trim what is watched: %w", err)
		}
	}
	return i, nil
}

func informer(client rest.Interface, resource string, kind runtime.Object, narrow func(*metav1.ListOptions)) cache.SharedIndexInformer {
	lw := cache.NewFilteredListWatchFromClient(client, resource, metav1.NamespaceAll, narrow)
	return cache.NewSharedIndexInformer(lw, kind, 0, cache.Indexers{})
}

// run runs the watches until ctx ends.
func (i *informers) run(ctx context.Context) {
	var running sync.WaitGroup
	for _, informer := range []cache.SharedIndexInformer{i.services, i.slices, i.node, i.serviceCIDRs} {
		running.Go(func() { informer.RunWithContext(ctx) })
	}
	running.Wait()
}
