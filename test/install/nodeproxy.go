package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/portolan-dev/portolan/test/cluster"
)

const (
	// NodeNamespace is where config/node-proxy puts node-proxy.
	NodeNamespace = "portolan-node"
	// NodeServiceAccount is node-proxy's there.
	NodeServiceAccount = "portolan-node-proxy"
)

// NodeProxy is node-proxy's objects on a cluster, and what is to run on its nodes.
type NodeProxy struct {
	Cluster *cluster.Cluster
	// Program is what runs: node-proxy.
	Program string
	// Args are those of the DaemonSet, and after them, so that they win, those of this cluster and the caller's.
	Args []string
}

// ApplyNodeProxy applies config/node-proxy to a cluster that has config/default. No node-proxy runs yet. An empty program
// is one named node-proxy beside the running program, else bin/node-proxy of the checkout. args come after the
// DaemonSet's, and win.
func ApplyNodeProxy(ctx context.Context, c *cluster.Cluster, program string, args ...string) (*NodeProxy, error) {
	return ApplyNodeProxyOverlay(ctx, c, filepath.Join("config", "node-proxy"), program, args...)
}

// ApplyNodeProxyOverlay is ApplyNodeProxy for an overlay of config/node-proxy, a directory of the checkout.
func ApplyNodeProxyOverlay(ctx context.Context, c *cluster.Cluster, overlay, program string, args ...string) (*NodeProxy, error) {
	if program == "" {
		program = findProgram("node-proxy")
	}
	return applyNodeProxy(ctx, c, filepath.Join(Repository(), overlay), program, args)
}

// ApplyNodeProxyVersion is ApplyNodeProxy of a version, at first or over what is there. The node-proxies that run go on.
func ApplyNodeProxyVersion(ctx context.Context, c *cluster.Cluster, v Version, args ...string) (*NodeProxy, error) {
	return applyNodeProxy(ctx, c, filepath.Join(v.Config, "node-proxy"), v.Program("node-proxy"), args)
}

func applyNodeProxy(ctx context.Context, c *cluster.Cluster, dir, program string, args []string) (*NodeProxy, error) {
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("node-proxy is not built: %w: run `make bin/node-proxy`", err)
	}
	p := &NodeProxy{Cluster: c, Program: program}
	if err := applyManifests(ctx, c, dir, p.note); err != nil {
		return nil, err
	}
	p.Args = append(append(p.Args, "--cluster-cidr="+c.PodCIDR()), args...)
	return p, nil
}

// ApplyNodeProxyRights applies config/crd and config/node-proxy, for node-proxies that the caller runs himself: what they
// may do is what they may do in a cluster. It needs no config/default.
func ApplyNodeProxyRights(ctx context.Context, c *cluster.Cluster) error {
	asItIs := func(*unstructured.Unstructured) error { return nil }
	if err := applyManifests(ctx, c, filepath.Join(Checkout().Config, "crd"), asItIs); err != nil {
		return err
	}
	return applyManifests(ctx, c, filepath.Join(Checkout().Config, "node-proxy"), withoutPods)
}

// note notes the DaemonSet's arguments.
func (p *NodeProxy) note(object *unstructured.Unstructured) (err error) {
	if object.GetKind() == "DaemonSet" {
		p.Args, err = containerArgs(object)
	}
	return err
}

// withoutPods has no Pods made for the DaemonSet.
func withoutPods(object *unstructured.Unstructured) error {
	if object.GetKind() != "DaemonSet" {
		return nil
	}
	return unstructured.SetNestedField(object.Object, "process", "spec", "template", "spec", "nodeSelector", "portolan.dev/node-proxy-runs-as")
}

// Start runs node-proxy on every node, and returns when all of them have programmed their first rules.
func (p *NodeProxy) Start(ctx context.Context) error {
	nodes := p.Cluster.Nodes()
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() { _, errs[i] = p.StartOn(ctx, n) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// capabilities are node-proxy's of root's.
var capabilities = []uintptr{unix.CAP_NET_ADMIN}

// StartOn runs node-proxy on a node, as its Pod would: with the ServiceAccount's token for that node, and of root's
// capabilities only NET_ADMIN. It returns when it is healthy. From then on it stands in for the DaemonSet's Pod there.
func (p *NodeProxy) StartOn(ctx context.Context, n *cluster.Node) (*cluster.Process, error) {
	kubeconfig, err := n.KubeconfigFor(ctx, NodeNamespace, NodeServiceAccount)
	if err != nil {
		return nil, err
	}
	args := append(slices.Clone(p.Args), "--kubeconfig="+kubeconfig, "--node-name="+n.Name)
	process, err := n.StartConfined(exec.Command(p.Program, args...), capabilities...)
	if err != nil {
		return nil, err
	}
	if err := p.awaitHealthy(ctx, n, process); err != nil {
		return nil, fmt.Errorf("node-proxy of %s is not ready: %w; see its log in %s", n.Name, err, p.Cluster.LogDir())
	}
	n.StandIn(NodeNamespace, NodeServiceAccount, process, cluster.Container{Program: p.Program, Capabilities: capabilities})
	return process, nil
}

// Run runs one of the program's other commands on a node, show or cleanup, and returns all that it printed.
func (p *NodeProxy) Run(n *cluster.Node, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.Command(p.Program, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	process, err := n.StartConfined(cmd, capabilities...)
	if err != nil {
		return "", err
	}
	if <-process.Done(); !process.State().Success() {
		return out.String(), fmt.Errorf("node-proxy %s on %s: %s", args, n.Name, process.State())
	}
	return out.String(), nil
}

func (p *NodeProxy) awaitHealthy(ctx context.Context, n *cluster.Node, process *cluster.Process) error {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}}
	url := "http://127.0.0.1:" + p.healthzPort() + "/healthz"
	return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 3*time.Minute, true, func(ctx context.Context) (bool, error) {
		select {
		case <-process.Done():
			return false, fmt.Errorf("it has ended: %s", process.State())
		default:
			return answersOK(ctx, client, url), nil
		}
	})
}

// healthzPort is where its arguments have it say whether it is healthy.
func (p *NodeProxy) healthzPort() string {
	port := "10356"
	for _, arg := range p.Args {
		if address, ok := strings.CutPrefix(arg, "--healthz-bind-address="); ok {
			port = address[strings.LastIndex(address, ":")+1:]
		}
	}
	return port
}
