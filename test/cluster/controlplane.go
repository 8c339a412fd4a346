package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	loopback           = "127.0.0.1"
	serviceCIDR        = "10.96.0.0/16"
	kubernetesService  = "10.96.0.1"
	podCIDR            = "10.244.0.0/16"
	serviceIssuer      = "https://kubernetes.default.svc.cluster.local"
	unusedAdvertiseIP  = "198.18.0.1" // API servers refuse to advertise loopback; without nodes nobody looks at it
	portAttempts       = 5
	stopGrace          = 2 * time.Second
	controlPlaneBudget = 3 * time.Minute
)

// controlPlane is the four servers of a cluster, each on a port of loopback.
type controlPlane struct {
	etcd, apiServer, controllerManager, scheduler *process
	etcdURL, url                                  string
	etcdServers                                   string // where the API server reaches etcd
	etcdClient                                    *http.Client
	port                                          int // API server's
}

// startControlPlane returns when the API server is ready, the other three are healthy, and Pods can be made in the
// default namespace.
func (c *Cluster) startControlPlane(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, controlPlaneBudget)
	defer cancel()
	var err error
	hosts := []string{loopback, "localhost", kubernetesService, c.advertiseIP(),
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	if c.pki, err = newPKI(c.state.path("pki"), hosts); err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	c.https = httpsClient(c.pki.cluster)
	if err := c.startEtcd(ctx); err != nil {
		return err
	}
	if c.etcdServers, err = c.etcdBy(); err != nil {
		return err
	}
	if err := c.serveEgress(); err != nil {
		return err
	}
	if err := c.startAPIServer(ctx); err != nil {
		return err
	}
	c.logf("API server ready at %s", c.url)
	if err := c.startControllers(ctx); err != nil {
		return err
	}
	c.logf("controller manager and scheduler healthy")
	return c.awaitDefaultNamespace(ctx)
}

// startOnFreePort starts a server on a port of loopback, again on another one when the port was taken meanwhile.
func (c *Cluster) startOnFreePort(ctx context.Context, make func(port int) *process, ready func(port int) func(context.Context) error) (*process, int, error) {
	var errs []error
	for range portAttempts {
		port, err := freePort()
		if err != nil {
			return nil, 0, err
		}
		p := make(port)
		if err := p.start(); err != nil {
			return nil, 0, err
		}
		c.own(p)
		err = p.await(ctx, ready(port))
		if err == nil {
			return p, port, nil
		}
		p.stop(0)
		errs = append(errs, err)
		if !portTaken(err) {
			break
		}
	}
	return nil, 0, errors.Join(errs...)
}

func (c *Cluster) startEtcd(ctx context.Context) error {
	cert, err := tls.LoadX509KeyPair(c.pki.file("etcd-client.crt"), c.pki.file("etcd-client.key"))
	if err != nil {
		return err
	}
	c.etcdClient = httpsClient(c.pki.etcd, cert)
	c.checkEtcd = func(ctx context.Context) error { return get(ctx, c.etcdClient, c.etcdURL+"/health") }
	c.etcd, _, err = c.startOnFreePort(ctx, c.newEtcd, func(port int) func(context.Context) error {
		c.etcdURL = fmt.Sprintf("https://%s:%d", loopback, port)
		return c.checkEtcd
	})
	return err
}

// etcdBy is etcd's URL for the API server.
func (c *Cluster) etcdBy() (string, error) {
	if c.options.EtcdBy == nil {
		return c.etcdURL, nil
	}
	by, err := c.options.EtcdBy(strings.TrimPrefix(c.etcdURL, "https://"))
	return "https://" + by, err
}

func (c *Cluster) startAPIServer(ctx context.Context) error {
	var err error
	c.apiServer, c.port, err = c.startOnFreePort(ctx, c.newAPIServer, func(port int) func(context.Context) error {
		c.url = fmt.Sprintf("https://%s:%d", loopback, port)
		return c.checkAPIServer
	})
	if err != nil {
		return err
	}
	if c.kubeconfig, err = c.writeKubeconfig("kubeconfig", c.url, "portolan-demo-admin", "system:masters"); err != nil {
		return err
	}
	return c.connect()
}

// startControllers starts the controller manager and the scheduler side by side.
func (c *Cluster) startControllers(ctx context.Context) error {
	healthy := func(port int) func(context.Context) error {
		url := fmt.Sprintf("https://%s:%d/healthz", loopback, port)
		return func(ctx context.Context) error { return get(ctx, c.https, url) }
	}
	controllerManager, err := c.writeKubeconfig("controller-manager.kubeconfig", c.url, "system:kube-controller-manager")
	if err != nil {
		return err
	}
	scheduler, err := c.writeKubeconfig("scheduler.kubeconfig", c.url, "system:kube-scheduler")
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	var errs [2]error
	wg.Go(func() {
		c.controllerManager, _, errs[0] = c.startOnFreePort(ctx, c.newControllerManager(controllerManager), healthy)
	})
	wg.Go(func() {
		c.scheduler, _, errs[1] = c.startOnFreePort(ctx, c.newScheduler(scheduler), healthy)
	})
	wg.Wait()
	return errors.Join(errs[:]...)
}

// awaitDefaultNamespace returns when Pods can be made in it: admission wants its ServiceAccount.
func (c *Cluster) awaitDefaultNamespace(ctx context.Context) error {
	return c.controllerManager.await(ctx, func(ctx context.Context) error {
		_, err := c.admin.CoreV1().ServiceAccounts(corev1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// httpsClient trusts one authority; it is for health checks, so it keeps no connection.
func httpsClient(a *authority, certs ...tls.Certificate) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: certs},
		},
	}
}

func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}

// connect makes the admin's clients.
func (c *Cluster) connect() error {
	var err error
	if c.config, err = restConfig(c.kubeconfig); err != nil {
		return err
	}
	c.admin, err = kubernetes.NewForConfig(c.config)
	return err
}
