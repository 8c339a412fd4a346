package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Cluster is a running cluster. Its methods may be called concurrently, except those that stop or start a part of it.
type Cluster struct {
	options Options
	state   *state
	host    *thread  // forks the children that live in the host's network namespace
	network *network // nil without nodes
	nodes   []*Node
	client  *Machine
	started time.Time

	controlPlane
	pki        *pki
	https      *http.Client
	checkEtcd  func(context.Context) error
	kubeconfig string
	config     *rest.Config
	admin      kubernetes.Interface

	running    context.Context // done when Stop begins
	cancel     context.CancelFunc
	background sync.WaitGroup // what Stop waits for
	stop       sync.Once

	mu       sync.Mutex // guards the fields below, and writing to the log
	children []stopper
	hosted   []hostedService
}

// Start starts a cluster and returns when it can be used: the API server is ready, controller manager and scheduler are
// healthy, the default namespace takes Pods, nodes are Ready and their kube-proxies, if any, have programmed their first
// rules. ctx bounds the start only; the cluster runs until Stop, and no longer than the process. On an error nothing is
// left.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	if err := Reap(options.Dir); err != nil {
		fmt.Fprintf(options.Log, "what an earlier run left is still there: %v\n", err)
	}
	c := &Cluster{options: options, started: time.Now()}
	c.running, c.cancel = context.WithCancel(context.Background())
	if err := c.start(ctx); err != nil {
		c.Stop()
		return nil, fmt.Errorf("starting the cluster: %w", err)
	}
	c.logf("cluster ready")
	return c, nil
}

func (c *Cluster) start(ctx context.Context) (err error) {
	if c.state, err = newState(c.options.Dir); err != nil {
		return err
	}
	if c.host, err = newThread(func() error { return nil }); err != nil {
		return err
	}
	if c.options.Nodes > 0 {
		if err := c.makeNetwork(); err != nil {
			return err
		}
		c.logf("network %s: %s and a client", c.network.cidr(0), nodes(len(c.nodes)))
	}
	if err := c.startControlPlane(ctx); err != nil {
		return err
	}
	if c.options.Nodes > 0 {
		return c.startNodes(ctx)
	}
	return nil
}

func nodes(count int) string {
	if count == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", count)
}

// Stop ends the cluster and removes all it made: processes, namespaces, the host's interface, the state directory.
// Calls after the first do nothing.
func (c *Cluster) Stop() {
	c.stop.Do(func() {
		c.cancel()
		c.stopChildren()
		c.background.Wait()
		if err := c.removeNetwork(); err != nil {
			c.logf("removing the network: %v", err)
		}
		if c.host != nil {
			c.host.close()
		}
		if c.state != nil {
			if err := c.state.remove(); err != nil {
				c.logf("removing %s: %v", c.state.dir, err)
			}
		}
	})
}

// stopper is a child to be ended at once.
type stopper interface{ stop(grace time.Duration) }

// own makes Stop end the child too.
func (c *Cluster) own(child stopper) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.children = append(c.children, child)
}

// stopChildren kills them all at once: what they wrote goes with the state directory.
func (c *Cluster) stopChildren() {
	c.mu.Lock()
	children := c.children
	c.children = nil
	c.mu.Unlock()
	var wg sync.WaitGroup
	for _, child := range children {
		wg.Go(func() { child.stop(0) })
	}
	wg.Wait()
}

// Config is the admin's, in system:masters, without client-side limits. The caller may change it.
func (c *Cluster) Config() *rest.Config { return rest.CopyConfig(c.config) }

// Kubeconfig is the path of the admin's kubeconfig. It goes with Stop.
func (c *Cluster) Kubeconfig() string { return c.kubeconfig }

// Nodes are the nodes, by number. The caller must not change the slice.
func (c *Cluster) Nodes() []*Node { return c.nodes }

// PodCIDR is where all Pods have their addresses.
func (c *Cluster) PodCIDR() string { return podCIDR }

// Client is a machine on the bridge that is no node; nil without nodes. It reaches the nodes' addresses and, unlike
// them, has no default route; see Machine.Route.
func (c *Cluster) Client() *Machine { return c.client }

// LogDir is where each child's output goes, in a file by its name. It goes with Stop.
func (c *Cluster) LogDir() string { return c.state.path("log") }

// Kubectl is a kubectl command as admin, of the cluster's version. It reads no one's preferences and writes nothing
// outside the state directory. It is a plain command: the caller runs it, and its end is the caller's.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.options.BinDir, "kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig, "KUBECACHEDIR="+c.state.path("kubectl-cache"), "KUBERC=off")
	return cmd
}

// logf writes a line of progress with the time since Start.
func (c *Cluster) logf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.options.Log, "%5.1fs  %s\n", time.Since(c.started).Seconds(), fmt.Sprintf(format, args...))
}

func restConfig(path string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, errors.Join(errors.New("reading "+path), err)
	}
	config.QPS = -1
	return config, nil
}

// advertiseIP is where nodes reach the API server.
func (c *Cluster) advertiseIP() string {
	if c.network == nil {
		return unusedAdvertiseIP
	}
	return c.network.ip(switchHost).String()
}
