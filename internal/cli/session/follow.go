package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/scheme"
)

// burst is how long changes are gathered before the cluster is shown again: they seldom come alone.
const burst = 250 * time.Millisecond

// Follow shows the cluster as Load does, and again as it changes, at most four times a second, until ctx ends: that is no
// error. stale says why what is shown may be out of date; nil: it is not. What the caller may read is found out at first only.
// show is called by one goroutine at a time, and must not change the picture.
func (s *Session) Follow(ctx context.Context, show func(p *picture.Picture, stale error), kinds ...picture.Kind) error {
	first, err := s.Load(ctx, kinds...)
	if err != nil {
		return err
	}
	show(first, nil)
	given, err := s.ClusterRange()
	if err != nil {
		return err
	}
	w := &watcher{first: first, clusterRange: given, link: newLink(), kinds: kinds}
	seen, err := s.watch(ctx, w)
	if err != nil {
		return Explained(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- seen.Start(ctx) }()
	w.run(ctx, seen, func(objects picture.Objects, stale error) { show(picture.New(objects, s.Now()), stale) })
	cancel()
	return <-ended
}

// watcher shows what informers have.
type watcher struct {
	first        *picture.Picture
	clusterRange v1alpha1.PortRange // the zero value: what pools say
	kinds        []picture.Kind
	link         *link
}

// watch has informers for what may be read. They have not begun yet.
func (s *Session) watch(ctx context.Context, w *watcher) (cache.Cache, error) {
	config, err := s.Config()
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.Wrap(w.link.wrap)
	mapper, err := s.ToRESTMapper()
	if err != nil {
		return nil, err
	}
	options := cache.Options{
		Scheme:                       scheme.New(),
		Mapper:                       mapper,
		DefaultTransform:             cache.TransformStripManagedFields(),
		DefaultUnsafeDisableDeepCopy: new(true), // a picture is not changed
		DefaultWatchErrorHandler:     w.link.refused,
		ByObject:                     map[client.Object]cache.ByObject{},
	}
	var objects []client.Object
	for _, kind := range w.readable() {
		object := sources[kind].object()
		objects = append(objects, object)
		if namespace := w.namespaceOf(kind); namespace != "" {
			options.ByObject[object] = cache.ByObject{Namespaces: map[string]cache.Config{namespace: {}}}
		}
	}
	seen, err := cache.New(config, options)
	if err != nil {
		return nil, fmt.Errorf("watching the cluster: %w", err)
	}
	for _, object := range objects {
		informer, err := seen.GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err == nil {
			_, err = informer.AddEventHandler(w.link.ringing())
		}
		if err != nil {
			return nil, fmt.Errorf("watching %T: %w", object, err)
		}
	}
	return seen, nil
}

// readable are the kinds of which something may be read.
func (w *watcher) readable() []picture.Kind {
	return slices.DeleteFunc(slices.Clone(w.kinds), func(k picture.Kind) bool {
		return slices.Contains(w.first.Gaps, picture.Gap{Kind: k})
	})
}

// namespaceOf is the only namespace of which a kind may be read; "": it may be of all.
func (w *watcher) namespaceOf(kind picture.Kind) string {
	i := slices.IndexFunc(w.first.Gaps, func(g picture.Gap) bool { return g.Kind == kind })
	if i < 0 {
		return ""
	}
	return w.first.Gaps[i].Namespace
}

// run shows what there is after each burst of changes.
func (w *watcher) run(ctx context.Context, seen cache.Cache, show func(picture.Objects, error)) {
	complete := make(chan bool, 1)
	go func() { complete <- seen.WaitForCacheSync(ctx) }()
	synced := false
	objects := w.first.Objects
	for {
		select {
		case <-ctx.Done():
			return
		case synced = <-complete:
		case <-w.link.changed:
			pause(ctx, burst)
		}
		stale := w.link.trouble()
		if synced {
			read, err := w.read(ctx, seen)
			if err == nil {
				objects = read
			}
			stale = cmp.Or(stale, err)
		}
		if ctx.Err() == nil {
			show(objects, stale)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// read is what the informers have now. What could not be read at first still is not.
func (w *watcher) read(ctx context.Context, seen client.Reader) (picture.Objects, error) {
	objects := picture.Objects{ClusterRange: w.clusterRange, Gaps: w.first.Gaps}
	var errs []error
	for _, kind := range w.readable() {
		list := sources[kind].list()
		errs = append(errs, wrapped(seen.List(ctx, list), kind))
		sources[kind].put(&objects, list)
	}
	return objects, errors.Join(errs...)
}

// ringing tells of whatever happens to objects.
func (l *link) ringing() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { l.ring() },
		UpdateFunc: func(any, any) { l.ring() },
		DeleteFunc: func(any) { l.ring() },
	}
}
