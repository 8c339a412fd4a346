// Package manager puts Portolan's manager together: webhooks and ledger on every replica, controllers on the
// leader.
package manager

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/controllers"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/webhooks"
)

// Names of the objects in config/ that the manager refers to.
const (
	leaseName             = "portolan-manager.portolan.dev"
	certificateSecret     = "portolan-webhook-server-cert"
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

	WebhookHost    string
	WebhookPort    int
	WebhookCertDir string
	// RotateCertificate keeps the webhooks' certificate; else somebody else, like cert-manager, does.
	RotateCertificate bool
	// ExtraDNSNames are names that the certificate has besides the webhook Service's.
	ExtraDNSNames []string

	MetricsBindAddress string
	MetricsSecure      bool
	ProbeBindAddress   string
	PprofBindAddress   string

	LeaderElect bool
	// ShutdownDelay is how long the webhooks go on being served after Shutdown began, for the endpoint to drain.
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
	ctrl.Manager
	// Ledger is its view of the numbers.
	Ledger *allocator.Ledger

	options     Options
	webhooks    *webhookServer
	certificate chan struct{} // closed when the certificate is there and the webhooks trust it
	stopping    chan struct{} // closed when the shutdown begins
}

// Scheme has the kinds that the manager reads and writes.
func Scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}

// New puts a manager together. It does nothing until Run.
func New(ctx context.Context, cfg *rest.Config, o Options) (*Manager, error) {
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
		Manager:     mgr,
		Ledger:      ledger,
		options:     o,
		certificate: make(chan struct{}),
		stopping:    make(chan struct{}),
	}
	if err := m.Ledger.Feed(ctx, mgr.GetCache()); err != nil {
		return nil, err
	}
	if err := mgr.Add(&rangeFinder{client: mgr.GetClient(), ledger: m.Ledger, namespace: o.Namespace, fixed: o.ServiceNodePortRange}); err != nil {
		return nil, err
	}
	if err := controllers.SetUp(ctx, mgr, m.Ledger, store, o.Clock); err != nil {
		return nil, fmt.Errorf("set up controllers: %w", err)
	}
	if err := m.keepCertificate(); err != nil {
		return nil, fmt.Errorf("set up certificate: %w", err)
	}
	m.webhooks = newWebhookServer(o, m.certificate)
	webhooks.Register(m.webhooks, mgr.GetScheme(), m.Ledger, mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder("portolan"), o.Clock)
	if err := mgr.Add(m.webhooks); err != nil {
		return nil, err
	}
	return m, m.addChecks()
}

func managerOptions(o Options) ctrl.Options {
	metrics := metricsserver.Options{BindAddress: o.MetricsBindAddress, SecureServing: o.MetricsSecure}
	if o.MetricsSecure {
		metrics.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return ctrl.Options{
		Scheme: Scheme(),
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
		},
		Client:                        client.Options{FieldOwner: "portolan"},
		Metrics:                       metrics,
		HealthProbeBindAddress:        o.ProbeBindAddress,
		PprofBindAddress:              o.PprofBindAddress,
		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       o.Namespace,
		LeaderElectionReleaseOnCancel: true,
		Controller:                    config.Controller{EnableWarmup: new(true), SkipNameValidation: new(o.Instance != "")},
	}
}

// webhookServer serves as soon as there is a certificate: controller-runtime's own would fail without.
type webhookServer struct {
	webhook.Server
	certificate <-chan struct{}
}

func newWebhookServer(o Options, certificate <-chan struct{}) *webhookServer {
	return &webhookServer{certificate: certificate, Server: webhook.NewServer(webhook.Options{
		Host: o.WebhookHost, Port: o.WebhookPort, CertDir: o.WebhookCertDir,
		TLSOpts: []func(*tls.Config){func(c *tls.Config) { c.MinVersion = tls.VersionTLS12 }},
	})}
}

// Start implements manager.Runnable.
func (s *webhookServer) Start(ctx context.Context) error {
	select {
	case <-s.certificate:
		return s.Server.Start(ctx)
	case <-ctx.Done():
		return nil
	}
}

// keepCertificate makes and renews the certificate in its Secret, from where the kubelet mounts it, and has the
// webhook configurations trust it.
func (m *Manager) keepCertificate() error {
	if !m.options.RotateCertificate {
		close(m.certificate)
		return nil
	}
	service := webhookService + "." + m.options.Namespace
	return rotator.AddRotator(m, &rotator.CertRotator{
		ControllerName: "certificate" + m.options.Instance,
		SecretKey:      types.NamespacedName{Namespace: m.options.Namespace, Name: certificateSecret},
		CertDir:        m.options.WebhookCertDir,
		CAName:         "portolan-ca",
		CAOrganization: "portolan",
		DNSName:        service + ".svc",
		ExtraDNSNames:  append([]string{service + ".svc.cluster.local"}, m.options.ExtraDNSNames...),
		IsReady:        m.certificate,
		FieldOwner:     "portolan",
		Webhooks: []rotator.WebhookInfo{
			{Name: mutatingWebhookName, Type: rotator.Mutating},
			{Name: validatingWebhookName, Type: rotator.Validating},
		},
	})
}

func (m *Manager) addChecks() error {
	alive := func(*http.Request) error { return nil }
	if err := m.AddHealthzCheck("alive", alive); err != nil {
		return err
	}
	for name, check := range map[string]func(*http.Request) error{
		"certificate": func(*http.Request) error { return closed(m.certificate, "the webhook certificate is not there yet") },
		"ledger": func(*http.Request) error {
			if !m.Ledger.Ready() {
				return allocator.ErrNotReady
			}
			return nil
		},
		"webhooks": m.webhooks.StartedChecker(),
		"serving": func(*http.Request) error {
			if closed(m.stopping, "") == nil {
				return errors.New("shutting down")
			}
			return nil
		},
	} {
		if err := m.AddReadyzCheck(name, check); err != nil {
			return err
		}
	}
	return nil
}

// closed is nil once c is closed.
func closed(c chan struct{}, otherwise string) error {
	select {
	case <-c:
		return nil
	default:
		return errors.New(otherwise)
	}
}

// Ready says whether the manager would answer an admission request.
func (m *Manager) Ready() bool {
	return closed(m.certificate, "-") == nil && m.Ledger.Ready() && m.webhooks.StartedChecker()(nil) == nil
}

// Run runs the manager until shutdown is done. Then it is not ready any more, but goes on serving for
// ShutdownDelay: API servers learn only after a while that this endpoint is going.
func (m *Manager) Run(shutdown context.Context) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(shutdown))
	defer cancel()
	go func() {
		<-shutdown.Done()
		close(m.stopping)
		time.Sleep(m.options.ShutdownDelay)
		cancel()
	}()
	return m.Start(ctx)
}
