// Package certificate makes and renews the certificate that the webhooks are served with, and hands over from one to
// the next without a call that fails.
//
// The policy:
//   - The certificate and the authority that signed it are in one Secret, from where every replica reads them itself:
//     a mounted Secret would be a minute behind. Any replica renews them; of several at once one is first.
//   - The webhook configurations trust the present authority beside earlier ones, never in their place.
//   - A replica serves a new certificate only after the configurations have trusted it for a while. Until then it
//     serves the one before.
//   - What is missing is waited for: the Secret, rights, the API server.
package certificate

import (
	"context"
	"crypto/tls"
	"errors"
	"sync/atomic"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// lookEvery is how often to look whether something has come near its end.
const lookEvery = 12 * time.Hour

// ErrNone is GetCertificate's while there is no certificate to serve.
var ErrNone = errors.New("no certificate is there yet that the webhook configurations trust")

// Options say where the certificate is and whom it is for.
type Options struct {
	Secret types.NamespacedName
	// Mutating and Validating are the names of the webhook configurations.
	Mutating, Validating string
	// DNSNames are those of the certificate. The first is the one that API servers call.
	DNSNames []string
	// Settle is how long the configurations must have trusted a certificate before it takes the place of another; zero:
	// 10 s.
	Settle time.Duration
}

// CacheOf restricts a manager's cache to what a Keeper reads, so that it needs rights to that only.
func CacheOf(o Options) map[client.Object]cache.ByObject {
	named := func(name string) fields.Selector { return fields.OneTermEqualSelector("metadata.name", name) }
	return map[client.Object]cache.ByObject{
		&corev1.Secret{}: {Field: named(o.Secret.Name), Namespaces: map[string]cache.Config{o.Secret.Namespace: {}}},
		&admissionv1.MutatingWebhookConfiguration{}:   {Field: named(o.Mutating)},
		&admissionv1.ValidatingWebhookConfiguration{}: {Field: named(o.Validating)},
	}
}

// Keeper keeps the certificate, on every replica.
type Keeper struct {
	Options
	client client.Client // reads from the cache
	clock  clock.PassiveClock

	handover handover // Reconcile's alone, of which there is one at a time
	serving  atomic.Pointer[tls.Certificate]
	ready    chan struct{} // closed when there is a certificate to serve
}

// NewKeeper returns a Keeper that works once it is set up with a manager, whose client reads from a cache of CacheOf.
func NewKeeper(o Options, c client.Client, clock clock.PassiveClock) *Keeper {
	if o.Settle == 0 {
		o.Settle = settle
	}
	return &Keeper{Options: o, client: c, clock: clock, handover: handover{settle: o.Settle}, ready: make(chan struct{})}
}

// SetUp adds the Keeper to a manager, as a controller of this name.
func (k *Keeper) SetUp(mgr manager.Manager, name string) error {
	secret := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: k.Secret}}
	})
	return ctrl.NewControllerManagedBy(mgr).
		Named(name).
		For(&corev1.Secret{}).
		Watches(&admissionv1.MutatingWebhookConfiguration{}, secret).
		Watches(&admissionv1.ValidatingWebhookConfiguration{}, secret).
		WithOptions(controller.Options{NeedLeaderElection: new(false)}).
		Complete(k)
}

// Ready is closed once there is a certificate to serve.
func (k *Keeper) Ready() <-chan struct{} { return k.ready }

// GetCertificate is the one for tls.Config. It may be called at any time.
func (k *Keeper) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := k.serving.Load(); c != nil {
		return c, nil
	}
	return nil, ErrNone
}
