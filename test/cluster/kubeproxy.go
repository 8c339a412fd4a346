package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// StartKubeProxy runs the real kube-proxy on the node and returns when it has programmed its first rules, or what else has
// its port for metrics says so. The start of the cluster does so for every node, unless the options say NoProxy.
func (n *Node) StartKubeProxy(ctx context.Context, mode Proxy) error {
	config, err := n.writeKubeProxyConfig(mode)
	if err != nil {
		return err
	}
	c := n.cluster
	n.kubeProxy = c.newProcess(n.Name+"-kube-proxy", n.forks, func() *exec.Cmd { return c.kubeProxyCommand("--config=" + config) })
	if err := n.kubeProxy.start(); err != nil {
		return err
	}
	c.own(n.kubeProxy)
	client := &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true},
	}
	return n.kubeProxy.await(ctx, func(ctx context.Context) error { return hasSynced(ctx, client) })
}

// hasSynced asks a kube-proxy when it last wrote rules, which it says once it has: it calls itself healthy before that.
func hasSynced(ctx context.Context, client *http.Client) error {
	const metric = `kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"}`
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:10249/metrics", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if err == nil && !bytes.Contains(metrics, []byte("\n"+metric)) {
		err = errors.New("it has programmed nothing yet")
	}
	return err
}

// StopKubeProxy ends the node's kube-proxy, as the deletion of its Pod does. Its rules stay.
func (n *Node) StopKubeProxy() {
	if n.kubeProxy != nil {
		n.kubeProxy.stop(stopGrace)
	}
}

// CleanUpKubeProxy removes the rules of a kube-proxy that is stopped, as kube-proxy --cleanup does.
func (n *Node) CleanUpKubeProxy() error {
	cleanup := n.cluster.kubeProxyCommand("--cleanup")
	var out bytes.Buffer
	cleanup.Stdout, cleanup.Stderr = &out, &out
	p, err := n.Start(cleanup)
	if err != nil {
		return err
	}
	if <-p.Done(); !p.State().Success() {
		return fmt.Errorf("kube-proxy --cleanup on %s: %s\n%s", n.Name, p.State(), &out)
	}
	return nil
}

func (n *Node) writeKubeProxyConfig(mode Proxy) (path string, err error) {
	c := n.cluster
	kubeconfig, err := c.writeKubeconfig(n.Name+"-kube-proxy.kubeconfig", c.nodesURL(), "system:kube-proxy")
	if err != nil {
		return "", err
	}
	path = c.state.path(n.Name + "-kube-proxy.yaml")
	return path, os.WriteFile(path, kubeProxyConfig(mode, n.Name, kubeconfig), 0o600)
}

func (c *Cluster) kubeProxyCommand(args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(c.options.BinDir, "kube-proxy"), args...)
}

// nodesURL is the API server as nodes reach it.
func (c *Cluster) nodesURL() string { return fmt.Sprintf("https://%s:%d", c.advertiseIP(), c.port) }

// kubeProxyConfig leaves the connection tracker's limits alone: they are the host's, and not to be set from a namespace.
func kubeProxyConfig(mode Proxy, node, kubeconfig string) []byte {
	return fmt.Appendf(nil, `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: %s
hostnameOverride: %s
clientConnection:
  kubeconfig: %s
clusterCIDR: %s
detectLocalMode: ClusterCIDR
healthzBindAddress: 0.0.0.0:10256
metricsBindAddress: 127.0.0.1:10249
conntrack:
  maxPerCore: 0
  min: 0
  tcpEstablishedTimeout: 0s
  tcpCloseWaitTimeout: 0s
  udpTimeout: 0s
  udpStreamTimeout: 0s
`, mode, node, kubeconfig, podCIDR)
}
