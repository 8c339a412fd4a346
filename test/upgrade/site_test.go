package upgrade

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/scheme"
	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/polling"
)

const (
	// replicas of the manager are as many as config/default has.
	replicas = 2
	// endpointLag is how long a Service's rules are behind the state of its endpoints.
	endpointLag = 300 * time.Millisecond
	// shutdownDelay is how long a manager that ends goes on serving: longer than the rules are behind, also on a machine that
	// stands still for five seconds.
	shutdownDelay = endpointLag + 6*time.Second
	// patience is how long anything may take that is to happen by itself.
	patience = 90 * time.Second
	poll     = 30 * time.Millisecond
)

// site is a cluster with Portolan, of one version or of both.
type site struct {
	*cluster.Cluster
	client.Client // as admin
	installation  *install.Installation
	balancer      *install.Balancer

	managers    []manager // those that run, the oldest first
	nodeProxies map[*cluster.Node]*cluster.Process
	// What runs; zero before anything does.
	managersAre, nodeProxiesAre release
}

// manager is one that runs.
type manager struct {
	*install.Process
	endpoint string
}

// start starts a cluster on which Portolan is not installed yet.
func start(ctx context.Context, options cluster.Options) (*site, error) {
	c, err := cluster.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	s := &site{Cluster: c, nodeProxies: map[*cluster.Node]*cluster.Process{}}
	if err := s.prepare(); err != nil {
		c.Stop()
		return nil, err
	}
	return s, nil
}

func (s *site) prepare() (err error) {
	if s.installation, err = install.Prepare(s.Cluster); err != nil {
		return err
	}
	// Where the machine stands still for the usual 3 s the API server would go on without us, and a test that wants our answer
	// would meet Kubernetes' own.
	s.installation.WebhookTimeout = 30
	if s.balancer, err = s.installation.Balance(); err != nil {
		return err
	}
	config := s.Config()
	config.WarningHandler = rest.NoWarnings{}
	s.Client, err = client.New(config, client.Options{Scheme: scheme.New()})
	return err
}

// world is what a test works with.
type world struct {
	*testing.T
	*site
}

// at brings the shared cluster to these versions. The first test finds what users of the version before have made of it.
func at(t *testing.T, managers, nodeProxies release) *world {
	t.Helper()
	if shared == nil {
		t.Skip("needs root: nodes and Pods are network namespaces")
	}
	w := &world{T: t, site: shared}
	if w.managersAre == (release{}) {
		w.begin()
	}
	if w.managersAre != managers {
		w.deployManagers(managers)
	}
	if w.nodeProxiesAre != nodeProxies {
		w.deployNodeProxies(nodeProxies)
	}
	return w
}

// begin installs the version before, and makes objects of every kind with it.
func (w *world) begin() {
	w.Helper()
	w.deployManagers(previous)
	w.kubectl(shop, "apply", "-f", "-")
	w.kubectl("", "rollout", "status", "deployment/web", "-n", "shop", "--timeout=120s")
	w.makeHold()
	w.deployNodeProxies(previous)
	w.settle()
}

// deployManagers upgrades, or rolls back, as docs/howto/upgrade.md says: config/default is applied over what is there.
func (w *world) deployManagers(r release) {
	w.Helper()
	w.must(w.installation.Apply(w.Context(), r.Version))
	w.rollManagers(r)
}

// rollManagers does what the Deployment does then: a new replica is ready before an old one ends, and none waits until that has
// ended.
func (w *world) rollManagers(r release) {
	w.Helper()
	var ending sync.WaitGroup
	for range replicas {
		w.startManager(r)
		if len(w.managers) > replicas {
			old := w.takeOldest()
			ending.Go(func() { w.endManager(old) })
		}
	}
	ending.Wait()
	w.managersAre = r
}

// startManager returns when the API server may call it.
func (w *world) startManager(r release) {
	w.Helper()
	port, err := cluster.FreePort()
	w.must(err)
	process, err := w.installation.StartProcess(w.Context(), r.Program("manager"),
		fmt.Sprint("--webhook-port=", port), fmt.Sprint("--shutdown-delay=", shutdownDelay), "--metrics-secure=false")
	w.must(err)
	m := manager{process, fmt.Sprint("127.0.0.1:", port)}
	w.managers = append(w.managers, m)
	w.balancer.Add(m.endpoint)
}

// takeOldest takes the oldest manager out of those that run, to end it.
func (w *world) takeOldest() manager {
	oldest := w.managers[0]
	w.managers = w.managers[1:]
	return oldest
}

// endManager ends one in order, of which the API server learns late.
func (w *world) endManager(m manager) {
	w.Helper()
	time.AfterFunc(endpointLag, func() { w.balancer.Remove(m.endpoint) })
	m.Stop(patience)
	if !m.State().Success() {
		w.Errorf("a manager ended with %s: see %s", m.State(), m.Log)
	}
}

// deployNodeProxies does so for config/node-proxy: on each node the old one ends before the new one begins.
func (w *world) deployNodeProxies(r release) {
	w.Helper()
	p, err := install.ApplyNodeProxyVersion(w.Context(), w.Cluster, r.Version, "--report-spread=0s")
	w.must(err)
	var mu sync.Mutex // guards nodeProxies
	var all sync.WaitGroup
	for _, n := range w.Nodes() {
		if old := w.nodeProxies[n]; old != nil {
			old.Stop(15 * time.Second)
		}
		all.Go(func() {
			process, err := p.StartOn(w.Context(), n)
			if err != nil {
				w.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			w.nodeProxies[n] = process
		})
	}
	all.Wait()
	w.nodeProxiesAre = r
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// eventually waits for check to succeed.
func (w *world) eventually(what string, check func() error) {
	w.Helper()
	if err := polling.Until(patience, poll, check); err != nil {
		w.Fatalf("%s: %v", what, err)
	}
}
