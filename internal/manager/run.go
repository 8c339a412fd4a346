package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// kindsRetry is when to look again whether the API server serves our kinds.
const kindsRetry = time.Second

// Run runs the manager until shutdown is done, or until the controllers have failed, as when the lease is lost. Then the
// controllers end first, so that another replica's go on at once. The manager is not ready any more but goes on serving
// for ShutdownDelay, as API servers learn only after a while that this endpoint is going. Then it answers the requests
// under way, and last ends the watches that those needed.
func (m *Manager) Run(shutdown context.Context) error {
	ctx, end := context.WithCancel(context.WithoutCancel(shutdown))
	defer end()
	go func() {
		defer end()
		select {
		case <-shutdown.Done():
		case <-m.failed:
		case <-ctx.Done():
			return
		}
		close(m.stopping)
		select {
		case <-time.After(m.options.ShutdownDelay):
		case <-ctx.Done():
		}
		m.webhooks.drain(ctx)
	}()
	err := m.Start(ctx)
	if closed(m.failed, "") == nil {
		err = errors.Join(m.failure, err)
	}
	return err
}

// begin does what needs our kinds, once the API server serves them.
func (m *Manager) begin(ctx context.Context) error {
	if err := m.awaitKinds(ctx); err != nil {
		return nil // the manager ends
	}
	if err := m.feed(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	close(m.fed)
	if err := m.lead(ctx); err != nil {
		m.failure = err
		close(m.failed)
	}
	return nil
}

// awaitKinds returns when all our kinds can be watched. It fails only when ctx ends.
func (m *Manager) awaitKinds(ctx context.Context) error {
	for _, kind := range ourKinds(m.GetScheme()) {
		err := wait.PollUntilContextCancel(ctx, kindsRetry, true, func(context.Context) (bool, error) {
			_, err := m.GetRESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
			if err != nil {
				logf.FromContext(ctx).Info("Waiting for the API server to serve our kinds", "kind", kind.Kind, "reason", err.Error())
			}
			return err == nil, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ourKinds are those of our group that are objects, and no lists or options.
func ourKinds(scheme *runtime.Scheme) []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for kind := range scheme.KnownTypes(v1alpha1.GroupVersion) {
		object, err := scheme.New(v1alpha1.GroupVersion.WithKind(kind))
		if _, ok := object.(client.Object); ok && err == nil {
			kinds = append(kinds, v1alpha1.GroupVersion.WithKind(kind))
		}
	}
	slices.SortFunc(kinds, func(a, b schema.GroupVersionKind) int { return slices.Compare([]byte(a.Kind), []byte(b.Kind)) })
	return kinds
}

// feed returns when all that admission goes by is in the caches, however long that takes.
func (m *Manager) feed(ctx context.Context) error {
	if _, err := m.GetCache().GetInformer(ctx, &corev1.Namespace{}); err != nil {
		return fmt.Errorf("watch namespaces: %w", err)
	}
	if err := m.Ledger.Feed(ctx, m.GetCache()); err != nil {
		return err
	}
	return m.Add(&rangeFinder{client: m.GetClient(), ledger: m.Ledger, namespace: m.options.Namespace, fixed: m.options.ServiceNodePortRange,
		changed: m.rangeChanged.Ring})
}
