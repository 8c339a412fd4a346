package allocator

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// NewInformer is for the cache that feeds the ledger (cache.Options.NewInformer): it makes informers as the cache would,
// and shows whole lists of allocations to the ledger.
func (l *Ledger) NewInformer(lw toolscache.ListerWatcher, object runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
	if _, ok := object.(*v1alpha1.NodePortAllocation); ok {
		lw = &showingLists{ListerWatcher: lw, show: l.AllocationsListed}
	}
	return toolscache.NewSharedIndexInformer(lw, object, resync, indexers)
}

// showingLists shows every complete list before the informer has it. The informer calls it from one goroutine.
type showingLists struct {
	toolscache.ListerWatcher
	show  func([]*v1alpha1.NodePortAllocation)
	pages []*v1alpha1.NodePortAllocation // of a list that is not complete yet
}

// List implements toolscache.Lister.
func (s *showingLists) List(options metav1.ListOptions) (runtime.Object, error) {
	return s.ListWithContext(context.Background(), options)
}

// ListWithContext implements toolscache.ListerWithContext.
func (s *showingLists) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	page, err := toolscache.ToListerWatcherWithContext(s.ListerWatcher).ListWithContext(ctx, options)
	if err != nil {
		return nil, err
	}
	if options.Continue == "" {
		s.pages = nil
	}
	err = meta.EachListItem(page, func(o runtime.Object) error {
		if a, ok := o.(*v1alpha1.NodePortAllocation); ok {
			s.pages = append(s.pages, a.DeepCopy())
		}
		return nil
	})
	if list, accessErr := meta.ListAccessor(page); err == nil && accessErr == nil && list.GetContinue() == "" {
		s.show(s.pages)
		s.pages = nil
	}
	return page, err
}

// WatchWithContext implements toolscache.WatcherWithContext.
func (s *showingLists) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return toolscache.ToListerWatcherWithContext(s.ListerWatcher).WatchWithContext(ctx, options)
}

// IsWatchListSemanticsUnSupported has the informer list rather than stream: a stream would not pass here.
func (*showingLists) IsWatchListSemanticsUnSupported() bool { return true }
