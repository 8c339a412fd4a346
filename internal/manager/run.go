package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// kindsRetry is when to look again whether the API server serves our kinds.
const kindsRetry = time.Second

// Run runs the manager until shutdown is done, or until the controllers have failed, as when the lease is lost. Then the
// controllers end first, so that another replica's go on at once. The manager is not ready any more but goes on serving
// for ShutdownDelay, as API servers learn only after a while that this endpoint is going. Then it answers the requests
// under way, and last ends the watches that those needed.
func (m *Manager) Run(shutdown context.Context) error {
	stopProbes, err := m.serveProbes()
	if err != nil {
		return err
	}
	defer stopProbes()
	if err := m.awaitKinds(shutdown); err != nil {
		return nil // it ends before it has begun
	}
	ctx, end := context.WithCancel(context.WithoutCancel(shutdown))
	defer end()
	if err := m.feed(ctx); err != nil {
		return err
	}
	go func() {
		defer end()
		select {
		case <-shutdown.Done():
		case <-m.failed:
		case <-ctx.Done():
			return
		}
		m.windDown(ctx)
	}()
	err = m.Start(ctx)
	if closed(m.failed, "") == nil {
		err = errors.Join(m.failure, err)
	}
	return err
}

func (m *Manager) windDown(ctx context.Context) {
	close(m.stopping)
	select {
	case <-time.After(m.options.ShutdownDelay):
	case <-ctx.Done():
	}
	m.webhooks.drain(ctx)
}

// awaitKinds returns when all that the ledger is fed with can be watched. It fails only when ctx ends.
func (m *Manager) awaitKinds(ctx context.Context) error {
	kinds := append(ourKinds(m.GetScheme()), corev1.SchemeGroupVersion.WithKind("Service"))
	return wait.PollUntilContextCancel(ctx, kindsRetry, true, func(context.Context) (bool, error) {
		for _, kind := range kinds {
			if _, err := m.GetRESTMapper().RESTMapping(kind.GroupKind(), kind.Version); err != nil {
				logf.Log.Info("Waiting for the API server to serve what we watch", "kind", kind.Kind, "reason", err.Error())
				return false, nil
			}
		}
		return true, nil
	})
}

// ourKinds are those of our group that are objects, and no lists or options.
func ourKinds(scheme *runtime.Scheme) []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for name := range scheme.KnownTypes(v1alpha1.GroupVersion) {
		kind := v1alpha1.GroupVersion.WithKind(name)
		object, err := scheme.New(kind)
		if _, ok := object.(client.Object); ok && err == nil {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// feed connects what needs the kinds to the caches, which are not started yet.
func (m *Manager) feed(ctx context.Context) error {
	if err := m.Ledger.Feed(ctx, m.GetCache()); err != nil {
		return err
	}
	for _, read := range []client.Object{&corev1.Namespace{}, &v1alpha1.NodePortAccess{}} { // which the webhooks read
		if _, err := m.GetCache().GetInformer(ctx, read); err != nil {
			return fmt.Errorf("watch %T: %w", read, err)
		}
	}
	close(m.fed)
	finder := &rangeFinder{client: m.GetClient(), ledger: m.Ledger, namespace: m.options.Namespace, fixed: m.options.ServiceNodePortRange,
		changed: m.rangeChanged.Ring}
	if err := m.Add(finder); err != nil {
		return err
	}
	return m.Add(manager.RunnableFunc(m.lead))
}
