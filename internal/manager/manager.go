// Package manager puts Portolan's manager together: webhooks and ledger on every replica, controllers on the
// leader.
//
// A replica starts in whatever order its surroundings come: it waits for the kinds, its rights, the API server and the
// certificate, alive but not ready, and serves nobody before all that was there at its start is in the ledger. How it
// ends is said at Run.
package manager

import (
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/controllers"
	"github.com/portolan-dev/portolan/internal/admissionpolicy"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/certificate"
	"github.com/portolan-dev/portolan/internal/metrics"
	"github.com/portolan-dev/portolan/internal/scheme"
	"github.com/portolan-dev/portolan/webhooks"
)

// Names of the objects in config/ that the manager refers to.
const (
	leaseName             = "portolan-manager.portolan.dev"
	certificateSecret     = "portolan-webhook-server-cert" //nolint:gosec // the name of a Secret, not what is in it
	webhookService        = "portolan-webhook-service"
	mutatingWebhookName   = "portolan-mutating-webhook-configuration"
	validatingWebhookName = "portolan-validating-webhook-configuration"
)

// Options are what the flags of cmd/manager set.
type Options struct {
	// Namespace is the manager's own: its lease, its certificate.
	Namespace string
	// ServiceNodePortRange is the API server's node port range; empty: it is learned.
	ServiceNodePortRange string

	WebhookHost string
	WebhookPort int
	// RotateCertificate keeps the webhooks' certificate; else somebody else, like cert-manager, does, in WebhookCertDir.
	RotateCertificate bool
	WebhookCertDir    string
	// WebhookClientCA is a file with the authorities whose clients alone are answered; empty: everybody is.
	WebhookClientCA string
	// ExtraDNSNames are names that the certificate has besides the webhook Service's.
	ExtraDNSNames []string
	// CertificateSettle is how long a new certificate must have been trusted before it is served; zero: 10 s.
	CertificateSettle time.Duration

	MetricsBindAddress string
	MetricsSecure      bool
	ProbeBindAddress   string
	PprofBindAddress   string

	// Strict has the ValidatingAdmissionPolicy of the pools judge every number, also one that nobody set.
	Strict bool
	// IdleAfter is for how long nobody has used a number that is idle; 0: none is called so.
	IdleAfter time.Duration
	// RepairEvery is how often the leader looks at every number again; zero: controllers.RepairEvery.
	RepairEvery time.Duration

	LeaderElect bool
	Lease       Lease
	// ShutdownDelay is how long the webhooks go on being served after the shutdown began, for the endpoint to drain.
	ShutdownDelay time.Duration

	// Instance tells this manager from others in the same process, as in tests; empty: there is no other.
	Instance string
	// Clock tells the time for claims and holds; nil: the real one.
	Clock clock.PassiveClock
	// WrapStore, if set, stands between the ledger and the API server: for tests of faults.
	WrapStore func(allocator.Store) allocator.Store
}

// Manager is a replica of Portolan's manager.
type Manager struct {
	ctrl.Manager // of all that every replica does
	// Ledger is its view of the numbers.
	Ledger *allocator.Ledger

	options     Options
	store       allocator.Store
	certificate certificateSource
	webhooks    *webhookServer
	// rangeChanged tells the controllers, where they run here, that the ledger has learned the cluster's range.
	rangeChanged controllers.Bell

	fed      chan struct{} // closed when the ledger is connected to the caches
	stopping chan struct{} // closed when the shutdown begins
	failed   chan struct{} // closed when the controllers have failed
	failure  error         // why; set before failed is closed
}

// New puts a manager together. It asks the API server nothing, and does nothing until Run.
func New(cfg *rest.Config, o Options) (*Manager, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1                 // the API server's priority and fairness keeps order, by our own FlowSchema
	var ledger *allocator.Ledger // made below, before there is any informer
	options := managerOptions(o)
	options.Cache.NewInformer = func(lw toolscache.ListerWatcher, object runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
		return ledger.NewInformer(lw, object, resync, indexers)
	}
	mgr, err := ctrl.NewManager(cfg, options)
	if err != nil {
		return nil, fmt.Errorf("make manager: %w", err)
	}
	store := allocator.NewStore(mgr.GetClient(), mgr.GetAPIReader())
	if o.WrapStore != nil {
		store = o.WrapStore(store)
	}
	ledger = allocator.New(store, o.Clock)
	m := &Manager{
		Manager:  mgr,
		Ledger:   ledger,
		options:  o,
		store:    store,
		fed:      make(chan struct{}),
		stopping: make(chan struct{}),
		failed:   make(chan struct{}),
	}
	if m.certificate, err = addCertificate(mgr, o); err != nil {
		return nil, fmt.Errorf("set up certificate: %w", err)
	}
	metrics.CertificateExpiration.Ask(endOf(m.certificate))
	if m.webhooks, err = newWebhookServer(o, m.certificate); err != nil {
		return nil, err
	}
	webhooks.Register(m.webhooks, mgr.GetScheme(), m.Ledger, mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder("portolan"), o.Clock)
	return m, mgr.Add(m.webhooks)
}

func managerOptions(o Options) ctrl.Options {
	served := metricsserver.Options{BindAddress: o.MetricsBindAddress, SecureServing: o.MetricsSecure}
	if o.MetricsSecure {
		served.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return ctrl.Options{
		Scheme: scheme.New(),
		Cache: cache.Options{
			DefaultTransform: trim(),
			ByObject:         cachedObjects(o),
		},
		Client:           client.Options{FieldOwner: "portolan"},
		Metrics:          served,
		PprofBindAddress: o.PprofBindAddress,
		Controller:       controllerOptions(o),
	}
}

// cachedObjects are those that the manager reads by name, so that it needs rights to that only.
func cachedObjects(o Options) map[client.Object]cache.ByObject {
	objects := certificate.CacheOf(certificateOptions(o))
	policy := cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", admissionpolicy.Name)}
	objects[&admissionv1.ValidatingAdmissionPolicy{}] = policy
	objects[&admissionv1.ValidatingAdmissionPolicyBinding{}] = policy
	return objects
}

// trim leaves out of what is cached what nobody reads. It is one for all kinds: with one of its own, a kind of ours would
// have to be served already when the manager is made.
func trim() toolscache.TransformFunc {
	stripManagedFields := cache.TransformStripManagedFields()
	return func(object any) (any, error) {
		switch object := object.(type) {
		case *v1alpha1.NodePortNodeState: // one for each node
			return controllers.TrimNodeState(object)
		case *corev1.Service: // all of the cluster's
			return controllers.TrimService(object), nil
		}
		return stripManagedFields(object)
	}
}

// patience is how long a controller waits for what it watches before the manager ends, which would only be back to wait
// again. What it waits for, like a right, is in the log.
const patience = 365 * 24 * time.Hour

func controllerOptions(o Options) config.Controller {
	return config.Controller{
		EnableWarmup:       new(true),
		SkipNameValidation: new(o.Instance != ""),
		CacheSyncTimeout:   patience,
	}
}
