package proxysite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
)

// Kind is a kind of proxy.
type Kind string

// The proxies that a site's node can have.
const (
	NodeProxy         Kind = "node-proxy"
	KubeProxyNFTables Kind = "kube-proxy-nftables"
	KubeProxyIPTables Kind = "kube-proxy-iptables"
)

// Kinds are all, ours first.
var Kinds = []Kind{NodeProxy, KubeProxyNFTables, KubeProxyIPTables}

// built is where make puts each kind, below bin.
var built = map[Kind]string{
	NodeProxy:         "node-proxy",
	KubeProxyNFTables: "controlplane/kube-proxy",
	KubeProxyIPTables: "controlplane/kube-proxy",
}

// DetectLocal says how a proxy knows the pods of its own cluster.
type DetectLocal string

// The four ways; for the bridge it is the interface of the first local pod.
const (
	ByClusterCIDR         DetectLocal = "ClusterCIDR"
	ByNodeCIDR            DetectLocal = "NodeCIDR"
	ByBridgeInterface     DetectLocal = "BridgeInterface"
	ByInterfaceNamePrefix DetectLocal = "InterfaceNamePrefix"
)

// Config is what a proxy of any kind can be told. The zero value serves all Services, and node ports on the node's
// primary addresses.
type Config struct {
	// NodePortAddresses are CIDRs; nil: the node's primary addresses.
	NodePortAddresses []string
	// Localhost has node ports served on the node's loopback, too. kube-proxy's nftables mode cannot; its iptables mode
	// does so only where it serves all of the node's addresses, and so it does with no NodePortAddresses.
	Localhost     bool
	MasqueradeAll bool
	// DetectLocal is ByClusterCIDR if empty.
	DetectLocal DetectLocal
	// MinSyncPeriod is how long kube-proxy waits at least from one sync to the next, which by default is a second; 0: a
	// millisecond. Ours does not wait.
	MinSyncPeriod time.Duration
	// Services is our --services: "labelled" (with "portolan"), "none", or "all" if empty. kube-proxy knows only "all".
	Services string
	// CloseUnallocated shuts what no Service and no pod has. kube-proxy does not know it.
	CloseUnallocated bool
}

// Command is how to run a proxy on a site's node.
type Command struct {
	Kind   Kind
	Config Config
	// Binary is its path; empty: what `make controlplane` or `make bin/node-proxy` has built.
	Binary string
	// Args are appended to the flags. kube-proxy has its Config in a file, and takes few flags beside it.
	Args []string
}

// Proxy is one that runs.
type Proxy struct {
	*cluster.Process
	log string
}

// Start starts a proxy in the node's namespace, with the rights at the API server that it has in a cluster, and returns
// when it is in step; of one that serves no Services, AwaitGuard tells. Others may run that serve other Services; what one
// leaves on the node is there for the next.
func (s *Site) Start(ctx context.Context, c Command) (*Proxy, error) {
	launch, err := s.Prepare(ctx, c)
	if err != nil {
		return nil, err
	}
	p, err := launch()
	if err != nil {
		return nil, err
	}
	if err := s.awaitProxy(ctx, p); err != nil {
		p.Kill()
		return nil, fmt.Errorf("starting %s: %w; the end of its log:\n%s", c.Kind, err, p.Log())
	}
	return p, nil
}

// Prepare does of Start what needs the API server. The function that it returns does the rest, any number of times, and
// does not wait for the proxy to be in step.
func (s *Site) Prepare(ctx context.Context, c Command) (launch func() (*Proxy, error), err error) {
	if c.Config.Services != "none" {
		if err := s.raiseSentinel(ctx, c.label()); err != nil {
			return nil, err
		}
	}
	name := fmt.Sprintf("%s-%s", s.NodeName, c.Kind)
	cmd, err := s.command(ctx, c, name)
	if err != nil {
		return nil, err
	}
	return func() (*Proxy, error) {
		process, err := s.Plane.StartIn(s.enter(c.Kind), name, exec.Command(cmd.Path, cmd.Args[1:]...))
		return &Proxy{Process: process, log: filepath.Join(s.Plane.LogDir(), name+".log")}, err
	}, nil
}

// enter moves the calling thread onto the node; ours, with no right but the one that it has in a cluster.
func (s *Site) enter(kind Kind) func() error {
	if kind != NodeProxy {
		return s.Node.Enter
	}
	return func() error { return errors.Join(s.Node.Enter(), cluster.GiveUpAllBut(unix.CAP_NET_ADMIN)) }
}

// awaitProxy returns when the proxy is in step, or has ended.
func (s *Site) awaitProxy(ctx context.Context, p *Proxy) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-p.Done():
			cancel(fmt.Errorf("it has ended: %s", p.State()))
		case <-ctx.Done():
		}
	}()
	if err := s.InStep(ctx); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	return nil
}

// label is what Services have that the proxy serves.
func (c Command) label() string {
	if c.Kind == NodeProxy && c.Config.Services == "labelled" {
		return "portolan"
	}
	return ""
}

func (s *Site) command(ctx context.Context, c Command, name string) (*exec.Cmd, error) {
	if c.Config.DetectLocal == "" {
		c.Config.DetectLocal = ByClusterCIDR
	}
	if c.Binary == "" {
		c.Binary = filepath.Join(install.Repository(), "bin", built[c.Kind])
	}
	if _, err := os.Stat(c.Binary); err != nil {
		return nil, fmt.Errorf("%s is not built: %w: run `make controlplane bin/node-proxy`", c.Kind, err)
	}
	switch c.Kind {
	case NodeProxy:
		kubeconfig, err := s.Plane.KubeconfigOn(ctx, s.NodeName, install.NodeNamespace, install.NodeServiceAccount)
		if err != nil {
			return nil, err
		}
		return exec.Command(c.Binary, append(s.nodeProxyFlags(c.Config, kubeconfig), c.Args...)...), nil
	case KubeProxyNFTables, KubeProxyIPTables:
		config := filepath.Join(filepath.Dir(s.Plane.LogDir()), name+".yaml")
		if err := os.WriteFile(config, s.kubeProxyConfig(c.Kind, c.Config), 0o600); err != nil {
			return nil, err
		}
		return exec.Command(c.Binary, append([]string{"--config=" + config}, c.Args...)...), nil
	}
	return nil, fmt.Errorf("%q is no kind of proxy", c.Kind)
}

// Stop ends the proxy as a rolling update does, by a signal, and returns when it has ended.
func (p *Proxy) Stop() { p.Process.Stop(patience) }

// Kill ends the proxy in the middle of whatever it does.
func (p *Proxy) Kill() { p.Process.Stop(0) }

// Log is the end of what the proxies of this kind have written on this node.
func (p *Proxy) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-30):], []byte("\n")))
}
