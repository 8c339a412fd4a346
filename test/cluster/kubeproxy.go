package cluster

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// startKubeProxy runs the real kube-proxy in the node's namespace and returns when it has programmed its first rules.
func (c *Cluster) startKubeProxy(ctx context.Context, n *Node) error {
	kubeconfig, err := c.writeKubeconfig(n.Name+"-kube-proxy.kubeconfig", c.nodesURL(), "system:kube-proxy")
	if err != nil {
		return err
	}
	config := c.state.path(n.Name + "-kube-proxy.yaml")
	if err := os.WriteFile(config, kubeProxyConfig(c.options.Proxy, n.Name, kubeconfig), 0o600); err != nil {
		return err
	}
	p := c.newProcess(n.Name+"-kube-proxy", n.forks, func() *exec.Cmd {
		return exec.Command(filepath.Join(c.options.BinDir, "kube-proxy"), "--config="+config)
	})
	if err := p.start(); err != nil {
		return err
	}
	c.own(p)
	client := &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true},
	}
	url := fmt.Sprintf("http://%s:10256/healthz", n.IP)
	return p.await(ctx, func(ctx context.Context) error { return get(ctx, client, url) })
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
