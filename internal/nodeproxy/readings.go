package nodeproxy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// readings know which kinds could not be read when the API server was last asked for them: it is away, it refuses, or its
// objects are of another version and make no sense here. What was known before goes on to be in force then, and nobody
// would notice. Methods may be called concurrently.
type readings struct {
	changed func() // is called when a kind can be read no more, or again

	mu     sync.Mutex // guards failed
	failed map[string]error
}

func newReadings(changed func()) *readings {
	return &readings{changed: changed, failed: map[string]error{}}
}

// of has noted what becomes of questions for a kind.
func (r *readings) of(kind string, lw cache.ListerWatcher) cache.ListerWatcher {
	from := cache.ToListerWatcherWithContext(lw)
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list, err := from.ListWithContext(ctx, o)
			r.note(ctx, kind, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := from.WatchWithContext(ctx, o)
			r.note(ctx, kind, err)
			return w, err
		},
	}, plainList{})
}

func (r *readings) note(ctx context.Context, kind string, err error) {
	if ctx.Err() != nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) { // it is listed next
		return
	}
	r.mu.Lock()
	_, before := r.failed[kind]
	if err != nil {
		r.failed[kind] = err
	} else {
		delete(r.failed, kind)
	}
	r.mu.Unlock()
	if before != (err != nil) {
		r.changed()
	}
}

// failure is why a kind cannot be read; nil: all can.
func (r *readings) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, kind := range slices.Sorted(maps.Keys(r.failed)) {
		return fmt.Errorf("%s: %w", kind, r.failed[kind])
	}
	return nil
}
