package node

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/client-go/tools/cache"
)

// Watcher follows what this node is. Changed and View may be called concurrently.
type Watcher struct {
	options Options
	log     logr.Logger
	host    interface {
		addresses() ([]netip.Addr, error)
		changes(ctx context.Context) (<-chan struct{}, error)
	}

	nodes        cache.SharedIndexInformer
	serviceCIDRs cache.SharedIndexInformer // nil where they are not wanted
	synced       cache.DoneChecker         // of nodes
	listed       cache.DoneChecker         // of serviceCIDRs
	objects      chan struct{}             // holds one when a Node object or a ServiceCIDR has changed
	changed      chan struct{}

	facts facts // Run's own

	mu   sync.Mutex // guards view
	view View
}

// New makes a Watcher on two informers: one that has at most the node's own object, and one of ServiceCIDRs, which is
// not looked at where they are not wanted. It does nothing before Run.
func New(nodes, serviceCIDRs cache.SharedIndexInformer, o Options, log logr.Logger) (*Watcher, error) {
	w := &Watcher{
		options: o,
		log:     log,
		host:    host{},
		nodes:   nodes,
		objects: make(chan struct{}, 1),
		changed: make(chan struct{}, 1),
	}
	var err error
	if w.synced, err = w.watch(nodes); err != nil {
		return nil, fmt.Errorf("watch the Node object: %w", err)
	}
	if !o.ServiceCIDRs {
		return w, nil
	}
	w.serviceCIDRs = serviceCIDRs
	if w.listed, err = w.watch(serviceCIDRs); err != nil {
		return nil, fmt.Errorf("watch ServiceCIDRs: %w", err)
	}
	return w, nil
}

func (w *Watcher) watch(informer cache.SharedIndexInformer) (cache.DoneChecker, error) {
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { poke(w.objects) },
		UpdateFunc: func(any, any) { poke(w.objects) },
		DeleteFunc: func(any) { poke(w.objects) },
	})
	if err != nil {
		return nil, err
	}
	return registration.HasSyncedChecker(), nil
}

// Changed has something when View has changed since it was last taken from here, by more than link-local addresses. There
// is nothing before the Node object, or that there is none, and the host's addresses are known.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// View is what the node is now; nothing before Changed has had something.
func (w *Watcher) View() View {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.view
}

// Run follows the node until ctx ends, and returns why it cannot. The addresses are those in the network namespace of
// the thread that it is called on. It may be called once.
func (w *Watcher) Run(ctx context.Context) error {
	if !cache.WaitFor(ctx, "", w.synced) {
		return nil
	}
	var listed <-chan struct{}
	if w.listed != nil {
		listed = w.listed.Done()
	}
	var addresses <-chan struct{}
	for ctx.Err() == nil {
		if addresses == nil {
			var err error
			if addresses, err = w.host.changes(ctx); err != nil {
				return err
			}
		}
		if err := w.look(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-w.objects:
		case <-listed:
			listed = nil
		case _, open := <-addresses:
			if !open {
				addresses = nil
			}
		}
	}
	return nil
}

// look makes the View of what there is now.
func (w *Watcher) look() error {
	var err error
	if w.facts.addresses, err = w.host.addresses(); err != nil {
		return err
	}
	obj, _, err := w.nodes.GetStore().GetByKey(w.options.Name)
	if err != nil {
		return fmt.Errorf("look up the Node object: %w", err)
	}
	node, _ := obj.(*corev1.Node)
	w.facts.object = w.facts.object.read(node)
	if w.serviceCIDRs != nil && cache.IsDone(w.listed) {
		w.facts.serviceCIDRs, w.facts.listed = serviceCIDRsOf(w.serviceCIDRs.GetStore().List()), true
	}
	w.publish(w.options.view(w.facts))
	return nil
}

// serviceCIDRsOf are the ranges of all ServiceCIDRs, sorted, each once. Those that are to be deleted count: they are
// there until their last Service has gone.
func serviceCIDRsOf(objects []any) []netip.Prefix {
	var all []netip.Prefix
	for _, obj := range objects {
		if c, ok := obj.(*networkingv1.ServiceCIDR); ok {
			all = append(all, readPrefixes(c.Spec.CIDRs)...)
		}
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	return slices.Compact(all)
}

func (w *Watcher) publish(v View) {
	w.mu.Lock()
	before := w.view
	w.view = v
	w.mu.Unlock()
	if !v.newsAfter(before) {
		return
	}
	w.say(before, v)
	poke(w.changed)
}

// say logs what people should know of a View.
func (w *Watcher) say(before, v View) {
	if len(v.Missing) > 0 && !slices.Equal(before.Missing, v.Missing) {
		w.log.Info("Waiting to learn about the node", "node", w.options.Name, "missing", v.Missing)
	}
	if len(v.Elsewhere) > 0 && !slices.Equal(before.Elsewhere, v.Elsewhere) {
		w.log.Info("The host does not have all primary addresses of the Node object; there are no node ports on those", "addresses", v.Elsewhere)
	}
	if before.Everywhere != v.Everywhere && v.Everywhere != (Families{}) {
		w.log.Info("Node ports are served on all of the host's addresses of a family; --nodeport-addresses limits them", "ipv4", v.Everywhere.IPv4, "ipv6", v.Everywhere.IPv6)
	}
	if before.Leaving != v.Leaving && (before.Known || v.Known) {
		w.log.Info("Whether the node is leaving has changed", "leaving", v.Leaving)
	}
	w.log.V(1).Info("The node has changed", "zone", v.Node.Zone, "nodePortAddresses", v.Network.NodePortIPs, "pods", v.Network.Pods, "serviceCIDRs", v.Network.ServiceCIDRs)
}
