package nodeproxy

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/track"
)

// sources are where objects are listed and watched.
type sources struct {
	services, slices, node, serviceCIDRs cache.ListerWatcher
	access, pools, pods                  cache.ListerWatcher
}

// newSources are those of an API server, for a node.
func newSources(cfg *rest.Config, node string) (sources, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.ContentType, cfg.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	cfg.DisableCompression = true // to compress a list takes the server longer than the network to carry it
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return sources{}, err
	}
	ours, err := clientOfOurKinds(cfg)
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
		access:       ifThereIs(source(ours, "nodeportaccesses", func(*metav1.ListOptions) {}), &v1alpha1.NodePortAccessList{}),
		pools:        ifThereIs(source(ours, "nodeportpools", func(*metav1.ListOptions) {}), &v1alpha1.NodePortPoolList{}),
		pods: source(core, "pods", func(l *metav1.ListOptions) {
			l.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", node).String()
		}),
	}, nil
}

// clientOfOurKinds reads portolan.dev/v1alpha1.
func clientOfOurKinds(cfg *rest.Config) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	cfg = rest.CopyConfig(cfg)
	cfg.ContentType, cfg.AcceptContentTypes = runtime.ContentTypeJSON, ""
	cfg.APIPath, cfg.GroupVersion = "/apis", &v1alpha1.GroupVersion
	cfg.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	return rest.RESTClientFor(cfg)
}

// ifThereIs has a kind that the cluster does not have be one without objects: a node-proxy does without the rest of
// Portolan. It is asked for again when the watch of it would have ended, after five to ten minutes.
func ifThereIs(lw cache.ListerWatcher, empty runtime.Object) cache.ListerWatcher {
	from := cache.ToListerWatcherWithContext(lw)
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := from.ListWithContext(ctx, o)
			if apierrors.IsNotFound(err) {
				return empty, nil
			}
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := from.WatchWithContext(ctx, o)
			if apierrors.IsNotFound(err) {
				return watchNothing(ctx, o), nil
			}
			return w, err
		},
	}, plainList{})
}

// nothing is a watch of what is not there.
type nothing struct {
	events chan watch.Event
	end    func()
}

// watchNothing makes a watch that ends when the API server would end it, or with ctx.
func watchNothing(ctx context.Context, o metav1.ListOptions) watch.Interface {
	ctx, end := context.WithTimeout(ctx, time.Duration(ptr.Deref(o.TimeoutSeconds, 300))*time.Second)
	events := make(chan watch.Event)
	context.AfterFunc(ctx, func() { close(events) })
	return nothing{events, end}
}

func (n nothing) ResultChan() <-chan watch.Event { return n.events }
func (n nothing) Stop()                          { n.end() }

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

// watches are what follows the API server: into the tracker, which keeps what it is told, and informers for the little
// that comes of the rest.
type watches struct {
	reflectors         []*cache.Reflector
	node, serviceCIDRs cache.SharedIndexInformer
	// withCIDRs: ServiceCIDRs are watched only where all their addresses are served here.
	withCIDRs bool
}

// newWatches makes the watches. They are not started.
func newWatches(s sources, t *track.Tracker, g *guardian, mode v1alpha1.ProxyMode) *watches {
	return &watches{
		reflectors: []*cache.Reflector{
			cache.NewNamedReflector("services", s.services, &corev1.Service{}, t.Services(), 0),
			cache.NewNamedReflector("endpointslices", s.slices, &discoveryv1.EndpointSlice{}, t.EndpointSlices(), 0),
			cache.NewNamedReflector("nodeportaccesses", g.rules.of("NodePortAccess", s.access), &v1alpha1.NodePortAccess{}, g.access.Store(), 0),
			cache.NewNamedReflector("nodeportpools", g.rules.of("NodePortPool", s.pools), &v1alpha1.NodePortPool{}, g.pools.Store(), 0),
			cache.NewNamedReflector("pods", g.ofPods.of("Pod", s.pods), &corev1.Pod{}, g.pods.Store(), 0),
		},
		node:         informer(s.node, &corev1.Node{}),
		serviceCIDRs: informer(s.serviceCIDRs, &networkingv1.ServiceCIDR{}),
		withCIDRs:    mode == v1alpha1.ProxyModeAll,
	}
}

func informer(from cache.ListerWatcher, kind runtime.Object) cache.SharedIndexInformer {
	return cache.NewSharedIndexInformer(from, kind, 0, cache.Indexers{})
}

// run runs the watches until ctx ends.
func (w *watches) run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for _, r := range w.reflectors {
		running.Go(func() { r.RunWithContext(ctx) })
	}
	running.Go(func() { w.node.RunWithContext(ctx) })
	if w.withCIDRs {
		running.Go(func() { w.serviceCIDRs.RunWithContext(ctx) })
	}
}
