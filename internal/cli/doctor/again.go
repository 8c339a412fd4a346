package doctor

import (
	"context"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
)

// second is how long after a first look the second one is: by then the leader has seen to what was just changing.
const second = 3 * time.Second

// again looks a second time at the numbers on which the ledger and the Services did not agree: these were read side by side,
// while things went on.
func (r reader) again(ctx context.Context, c *Cluster, pause time.Duration) error {
	if !c.Complete(picture.Allocations, picture.Services) {
		return nil
	}
	doubtful := c.leaks()
	if len(doubtful) == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
	}
	objects := c.Objects
	for _, l := range doubtful {
		var err error
		if objects.Allocations, err = reread(ctx, r, objects.Allocations, &v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: strconv.Itoa(int(l.number))}}); err != nil {
			return err
		}
		if objects.Services, err = reread(ctx, r, objects.Services, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: l.owner.Namespace, Name: l.owner.Name}}); err != nil {
			return err
		}
	}
	c.Picture = picture.New(objects, c.Now)
	return nil
}

// reread is a list with an object of this name as it is now. What may only be listed stays as it was listed.
func reread[T any, P interface {
	*T
	client.Object
}](ctx context.Context, r client.Reader, list []T, object P) ([]T, error) {
	key := client.ObjectKeyFromObject(object)
	err := r.Get(ctx, key, object)
	if apierrors.IsForbidden(err) {
		return list, nil
	}
	others := slices.DeleteFunc(slices.Clone(list), func(o T) bool { return client.ObjectKeyFromObject(P(&o)) == key })
	if err == nil {
		others = append(others, *object)
	}
	return others, client.IgnoreNotFound(err)
}
