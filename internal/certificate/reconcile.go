package certificate

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Reconcile implements reconcile.Reconciler. Its only request is the Secret. What it writes it goes by only once that
// comes back in the watch.
func (k *Keeper) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	secret := &corev1.Secret{}
	if err := k.client.Get(ctx, k.Secret, secret); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err) // its creation brings us back
	}
	now := k.clock.Now()
	if what := due(secret.Data, k.DNSNames[0], now); what != nothing {
		return reconcile.Result{}, k.renew(ctx, secret, what, now)
	}
	offered, err := tls.X509KeyPair(secret.Data[serverCert], secret.Data[serverKey])
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("certificate in Secret %s: %w", secret.Name, err)
	}
	configurations, err := k.configurations(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	for _, c := range configurations {
		if !c.trust(secret.Data[authorityCert], now) {
			continue
		}
		if err := k.write(ctx, c.object); err != nil {
			return reconcile.Result{}, err
		}
	}
	wait := k.handover.offer(&offered, k.trustIn(configurations, &offered, now), now)
	k.serve(ctx, k.handover.serving)
	if wait == 0 {
		wait = lookEvery
	}
	return reconcile.Result{RequeueAfter: wait}, nil
}

func (k *Keeper) renew(ctx context.Context, secret *corev1.Secret, what renewal, now time.Time) (err error) {
	if secret.Data, err = renew(secret.Data, what, k.DNSNames, now); err != nil {
		return err
	}
	return k.write(ctx, secret)
}

// write updates an object. Where another replica was first, its write brings us back.
func (k *Keeper) write(ctx context.Context, object client.Object) error {
	err := k.client.Update(ctx, object)
	if apierrors.IsConflict(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("update %T %s: %w", object, object.GetName(), err)
	}
	logf.FromContext(ctx).Info("Updated", "type", fmt.Sprintf("%T", object), "object", object.GetName())
	return nil
}

// trustIn is what the configurations said when they were read.
func (k *Keeper) trustIn(configurations []*configuration, offered *tls.Certificate, now time.Time) trust {
	t := trust{offered: true, serving: k.handover.serving != nil, alone: true}
	for _, c := range configurations {
		for _, bundle := range c.found {
			t.offered = t.offered && trusts(bundle, offered.Leaf, k.DNSNames[0], now)
			t.serving = t.serving && trusts(bundle, k.handover.serving.Leaf, k.DNSNames[0], now)
			t.alone = t.alone && len(certificatesIn(bundle)) < 2
		}
	}
	return t
}

func (k *Keeper) serve(ctx context.Context, c *tls.Certificate) {
	if c == nil {
		return
	}
	switch last := k.serving.Swap(c); {
	case last == nil:
		close(k.ready)
	case !last.Leaf.Equal(c.Leaf):
		logf.FromContext(ctx).Info("Serving a new certificate", "until", c.Leaf.NotAfter)
	}
}
