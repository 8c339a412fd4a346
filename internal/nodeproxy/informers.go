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

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
	"github.com/portolan-dev/portolan/internal/nodeproxy/track"
)

// sources are where objects are listed and watched.
type sources struct {
	services, slices, node, serviceCIDRs cache.ListerWatcher
}

// newSources are those of an API server, for a node.
func newSources(cfg *rest.Config, node string) (sources, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.ContentType, cfg.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return sources{}, err
	}
	core, discovery, networking := client.CoreV1().RESTClient(), client.DiscoveryV1().RESTClient(), client.NetworkingV1().RESTClient()
	return sources{
		// Headless ones have no frontends. Those of other proxies are watched too, and hardly kept: a watch that is narrowed
		// to the label cannot tell a Service that is handed over, whose flows go on, from one that is deleted.
		services: source(core, "services", func(l *metav1.ListOptions) {
			l.FieldSelector = fields.OneTermNotEqualSelector("spec.clusterIP", corev1.ClusterIPNone).String()
		}),
		slices: source(discovery, "endpointslices", func(l *metav1.ListOptions) {
			l.LabelSelector = "!" + corev1.IsHeadlessService
		}),
		node: source(core, "nodes", func(l *metav1.ListOptions) {
			l.FieldSelector = fields.OneTermEqualSelector("metadata.name", node).String()
		}),
		serviceCIDRs: source(networking, "servicecidrs", func(*metav1.ListOptions) {}),
	}, nil
}

func source(client rest.Interface, resource string, narrow func(*metav1.ListOptions)) cache.ListerWatcher {
	lw := cache.NewFilteredListWatchFromClient(client, resource, metav1.NamespaceAll, narrow)
	return cache.ToListWatcherWithWatchListSemantics(lw, plainList{})
}

// plainList has what there is come as one list from the API server's cache, as it did for every proxy before there were
// streams of it (WatchList). A stream is an event an object, and it first waits until the server's cache has caught up
// with etcd: with 10,000 Services, a start takes half as long again. What a cache is behind by comes right after.
type plainList struct{}

// IsWatchListSemanticsUnSupported is what reflectors ask.
func (plainList) IsWatchListSemanticsUnSupported() bool { return true }

// informers are the watches.
type informers struct {
	services, slices, node, serviceCIDRs cache.SharedIndexInformer
	// wanted are those that run: ServiceCIDRs only where all their addresses are served here.
	wanted []cache.SharedIndexInformer
}

// newInformers makes the watches. They are not started.
func newInformers(s sources, selection route.Selection) (*informers, error) {
	i := &informers{
		services:     informer(s.services, &corev1.Service{}),
		slices:       informer(s.slices, &discoveryv1.EndpointSlice{}),
		node:         informer(s.node, &corev1.Node{}),
		serviceCIDRs: informer(s.serviceCIDRs, &networkingv1.ServiceCIDR{}),
	}
	if i.wanted = []cache.SharedIndexInformer{i.services, i.slices, i.node}; selection.Mode == route.ModeAll {
		i.wanted = append(i.wanted, i.serviceCIDRs)
	}
	for _, trim := range []struct {
		informer  cache.SharedIndexInformer
		transform cache.TransformFunc
	}{
		{i.services, track.TrimService(selection.Takes, v1alpha1.ServiceProxyNameLabel)},
		{i.slices, track.TrimSlice},
	} {
		if err := trim.informer.SetTransform(trim.transform); err != nil {
			return nil, fmt.Errorf("trim what is watched: %w", err)
		}
	}
	return i, nil
}

func informer(from cache.ListerWatcher, kind runtime.Object) cache.SharedIndexInformer {
	return cache.NewSharedIndexInformer(from, kind, 0, cache.Indexers{})
}

// run runs the watches until ctx ends.
func (i *informers) run(ctx context.Context) {
	var running sync.WaitGroup
	for _, informer := range i.wanted {
		running.Go(func() { informer.RunWithContext(ctx) })
	}
	running.Wait()
}
