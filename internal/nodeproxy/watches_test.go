package nodeproxy

import (
	"cmp"
	"context"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/track"
)

// lateKind is a kind that the cluster does not have until it comes.
type lateKind struct {
	feed
	come  bool
	asked int
}

func (k *lateKind) List(o metav1.ListOptions) (runtime.Object, error) {
	k.asked++
	if !k.come {
		return nil, apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("nodeportaccesses").GroupResource(), "")
	}
	return k.feed.List(o)
}

func (k *lateKind) Watch(o metav1.ListOptions) (watch.Interface, error) {
	k.asked++
	if !k.come {
		return nil, apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("nodeportaccesses").GroupResource(), "")
	}
	o.ResourceVersion = cmp.Or(o.ResourceVersion, "0") // the feed knows no other word for all there are
	return k.feed.Watch(o)
}

func TestAKindThatTheClusterDoesNotHaveIsFoundWhenItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := &lateKind{feed: newFeed()}
		defer from.Shutdown()
		kind := track.NewKind(track.TrimAccess, track.SameAccess, func() {})
		reflector := cache.NewNamedReflector("access", ifThereIs(from, &v1alpha1.NodePortAccessList{}), &v1alpha1.NodePortAccess{}, kind.Store(), 0)
		ctx, end := context.WithCancel(t.Context())
		defer end()
		go reflector.RunWithContext(ctx)
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		select {
		case <-kind.Read():
		default:
			t.Error("it is waited for")
		}
		if from.asked != 2 {
			t.Errorf("the API server was asked %d times, want a list and a watch", from.asked)
		}
		from.come = true
		from.Add(&v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "office"}})
		time.Sleep(7 * time.Minute)
		synctest.Wait()
		if all := kind.All(); len(all) != 1 {
			t.Errorf("it has %v", all)
		}
	})
}
