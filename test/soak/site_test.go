package soak

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/scheme"
	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/polling"
)

const (
	replicas = 3
	// patience is how long anything may take that is to happen by itself.
	patience = 2 * time.Minute
	poll     = 50 * time.Millisecond
	// webhookTimeout is how many seconds the API server waits for the webhooks where the seed is odd; else it is as shipped.
	// requestTimeout is how long clients wait.
	webhookTimeout = 10
	requestTimeout = 15 * time.Second
)

// site is a cluster with Portolan on it, where each connection but the test's own can be broken.
type site struct {
	*cluster.Cluster
	*record
	client.Client // of the test itself, as admin, by no link
	seed          uint64
	installation  *install.Installation
	front         *front
	managers      []*manager
	etcd, users   *link // the API server's way to etcd, the clients' to the API server
	// quiet is held by a drill, which has the cluster to itself; the others share it.
	quiet sync.RWMutex

	ending     context.CancelFunc
	background sync.WaitGroup
}

// start starts a cluster with three managers of a program, and records what etcd has from then on.
func start(ctx context.Context, seed uint64, program string, log io.Writer) (*site, error) {
	s := &site{record: newRecord(), seed: seed}
	var err error
	s.Cluster, err = cluster.Start(ctx, cluster.Options{Log: log, EtcdBy: func(address string) (string, error) {
		var err error
		s.etcd, err = newLink(address)
		return s.etcd.address(), err
	}})
	if err != nil {
		return nil, err
	}
	if err := s.install(ctx, program); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *site) install(ctx context.Context, program string) error {
	config := s.Config()
	config.WarningHandler = rest.NoWarnings{}
	config.Timeout = requestTimeout
	var err error
	if s.Client, err = client.New(config, client.Options{Scheme: scheme.New()}); err != nil {
		return err
	}
	if s.installation, err = install.Prepare(s.Cluster); err != nil {
		return err
	}
	if s.seed%2 == 1 {
		s.installation.WebhookTimeout = webhookTimeout
	}
	if err := s.installation.Apply(ctx, install.Checkout()); err != nil {
		return err
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		return err
	}
	if s.users, err = newLink(target.Host); err != nil {
		return err
	}
	revision, err := s.EtcdRevision(ctx)
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.Background())
	s.ending = cancel
	s.background.Go(func() { s.follow(running, s.Cluster, revision+1) })
	return s.startManagers(running, program)
}

func (s *site) startManagers(running context.Context, program string) error {
	var err error
	if s.front, err = newFront(s.record, s.installation.WebhookPort, s.installation.CertDir); err != nil {
		return err
	}
	for i := range replicas {
		m, err := s.newManager(i+1, program)
		if err != nil {
			return err
		}
		s.managers = append(s.managers, m)
		s.background.Go(func() { m.keep(running, s) })
		s.background.Go(func() { m.probe(running) })
	}
	s.front.managers = s.managers
	return polling.Until(patience, poll, s.allReady)
}

func (s *site) allReady() error {
	for _, m := range s.managers {
		if !m.ready.Load() {
			return fmt.Errorf("%s is not ready", m.name)
		}
	}
	return nil
}

// stop ends all.
func (s *site) stop() {
	if s.ending != nil {
		s.ending()
	}
	s.background.Wait()
	if s.front != nil {
		_ = s.front.server.Close()
	}
	for _, m := range s.managers {
		m.gate.close()
		m.webhooks.close()
	}
	s.Cluster.Stop()
	for _, l := range []*link{s.etcd, s.users} {
		if l != nil {
			l.close()
		}
	}
}

// cachedRevision is the revision that whoever lists Services from the API server's watch cache from now on gets at least;
// 0 where that is not known.
func (s *site) cachedRevision(ctx context.Context) int64 {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	services := &metav1.PartialObjectMetadataList{}
	services.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ServiceList"))
	if s.List(ctx, services, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "0"}}) != nil {
		return 0
	}
	return revisionOf(services.ResourceVersion)
}

// user is a client of a namespace's owner, by the link.
func (s *site) user() (client.Client, error) {
	config := s.Config()
	config.Host = "https://" + s.users.address()
	config.Timeout = requestTimeout
	config.WarningHandler = rest.NoWarnings{}
	return client.New(config, client.Options{Scheme: scheme.New()})
}

// settle makes the objects of a ground, and returns when they are in force.
func (s *site) settle(ctx context.Context, g ground) error {
	for _, p := range g.pools {
		for _, namespace := range p.namespaces {
			object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{"pool": p.name}}}
			if err := s.Create(ctx, object); err != nil {
				return err
			}
		}
		if err := s.Create(ctx, p.object()); err != nil {
			return err
		}
	}
	for number, service := range g.reserved {
		if err := s.reserve(ctx, number, service); err != nil {
			return err
		}
	}
	return nil
}

// reserve keeps a number for a Service, and returns when it is kept.
func (s *site) reserve(ctx context.Context, number int32, service types.NamespacedName) error {
	reservation := &v1alpha1.NodePortReservation{ObjectMeta: metav1.ObjectMeta{Namespace: service.Namespace, Name: fmt.Sprint("keep-", number)}}
	reservation.Spec.ServiceName = service.Name
	reservation.Spec.Ports = []v1alpha1.ReservedPort{{Name: portName(0), NodePort: number}}
	// The managers learn of a pool a moment after it was made.
	if err := polling.Until(patience, poll, func() error { return s.Create(ctx, reservation.DeepCopy()) }); err != nil {
		return err
	}
	return polling.Until(patience, poll, func() error {
		if err := s.Get(ctx, client.ObjectKeyFromObject(reservation), reservation); err != nil {
			return err
		}
		if !meta.IsStatusConditionTrue(reservation.Status.Conditions, v1alpha1.ReservationReady) {
			return fmt.Errorf("reservation %s: %+v", reservation.Name, reservation.Status)
		}
		return nil
	})
}
