package export

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// again is after how long a write that failed, as on a full disk, is tried anew.
const again = 5 * time.Second

// watch keeps the file in step until ctx ends.
func (e *exporter) watch(ctx context.Context, k *kinds) error {
	changed := newBell()
	seen, err := e.informers(ctx, k, changed)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- seen.Start(ctx) }()
	if !seen.WaitForCacheSync(ctx) {
		cancel()
		return errors.Join(errors.New("ended before the cluster was read"), <-stopped)
	}
	err = e.follow(ctx, seen, k, changed)
	cancel()
	return errors.Join(err, <-stopped)
}

// follow writes at first, and after each burst of changes.
func (e *exporter) follow(ctx context.Context, seen client.Reader, k *kinds, changed bell) error {
	ending, cancel := context.WithCancel(context.WithoutCancel(ctx)) // a hook that runs may end in peace
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })()
	reload := startHooks(ending, e)
	defer reload.end()
	for {
		retry := e.step(ctx, seen, k, reload)
		select {
		case <-ctx.Done():
			return nil
		case <-retry:
		case <-changed:
			changed.settle(ctx)
		}
	}
}

// step writes what the caches have. What it returns says when to try again; nil: when something changes.
func (e *exporter) step(ctx context.Context, seen client.Reader, k *kinds, reload *hooks) <-chan time.Time {
	cluster, err := k.read(ctx, seen, e.Filter.Namespace)
	var wrote bool
	if err == nil {
		wrote, err = e.write(cluster)
	}
	// At the start what reads the file may not have heard of it: who wrote it may have been killed before that.
	if wrote || err == nil && !e.begun {
		reload.ask()
	}
	e.begun = e.begun || err == nil
	if err == nil || ctx.Err() != nil {
		return nil
	}
	e.say.line("%s is not up to date, and will be tried again: %v", e.Output, err)
	return time.After(again)
}

// informers keep what is read of the cluster, and ring the bell when it changes. They have not begun yet.
func (e *exporter) informers(ctx context.Context, k *kinds, changed bell) (cache.Cache, error) {
	config := rest.CopyConfig(e.Config)
	l := &link{say: e.say.line, file: e.Output}
	config.Wrap(l.wrap)
	refused := &refusals{say: e.say.line, told: map[string]bool{}}
	options := cache.Options{
		Scheme:                       e.Client.Scheme(),
		DefaultTransform:             trim,
		DefaultUnsafeDisableDeepCopy: new(true), // nothing here writes to what it reads
		DefaultWatchErrorHandler:     refused.handle,
	}
	if e.Filter.Namespace != "" {
		options.DefaultNamespaces = map[string]cache.Config{e.Filter.Namespace: {}}
	}
	seen, err := cache.New(config, options)
	if err != nil {
		return nil, fmt.Errorf("watching the cluster: %w", err)
	}
	for _, object := range k.objects() {
		informer, err := seen.GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err != nil {
			return nil, fmt.Errorf("watching %T: %w", object, err)
		}
		if _, err := informer.AddEventHandler(ringing(changed)); err != nil {
			return nil, fmt.Errorf("watching %T: %w", object, err)
		}
	}
	return seen, nil
}

// objects are what is watched.
func (k *kinds) objects() []client.Object {
	all := []client.Object{&corev1.Node{}, &corev1.Service{}, &discoveryv1.EndpointSlice{}}
	if k.allocations {
		all = append(all, &v1alpha1.NodePortAllocation{})
	}
	if k.accesses {
		all = append(all, &v1alpha1.NodePortAccess{})
	}
	if k.pools {
		all = append(all, &v1alpha1.NodePortPool{})
	}
	return all
}

func ringing(changed bell) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { changed.ring() },
		UpdateFunc: func(before, after any) {
			if !same(before.(client.Object), after.(client.Object)) {
				changed.ring()
			}
		},
		DeleteFunc: func(any) { changed.ring() },
	}
}

// refusals says of what may not be watched any more that it may not, once each. What else happens to a watch either ends with
// the API server's being away, which link says, or is of no consequence.
type refusals struct {
	say func(format string, args ...any)

	mu   sync.Mutex // guards told
	told map[string]bool
}

// handle is as of toolscache.WatchErrorHandlerWithContext.
func (r *refusals) handle(_ context.Context, _ *toolscache.Reflector, err error) {
	if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.told[err.Error()] {
		r.told[err.Error()] = true
		r.say("what is read is out of date: %v", err)
	}
}
