package proxysite

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// kubeProxyConfig is kube-proxy's configuration file. It programs each change at once, where it would wait for up to a
// second by default, unless it is told to, and leaves the connection tracker's limits alone: they are the host's.
func (s *Site) kubeProxyConfig(kind Kind, c Config) []byte {
	mode, addresses := strings.TrimPrefix(string(kind), "kube-proxy-"), c.NodePortAddresses
	switch {
	case addresses == nil && c.Localhost:
		addresses = []string{} // all; it does not serve node ports on the loopback otherwise
	case addresses == nil:
		addresses = []string{"primary"}
	}
	list, err := json.Marshal(addresses)
	if err != nil {
		panic(err) // strings
	}
	return fmt.Appendf(nil, `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: %s
hostnameOverride: %s
clientConnection:
  kubeconfig: %s
  qps: 1000
  burst: 1000
clusterCIDR: %s
detectLocalMode: %s
detectLocal:
  bridgeInterface: %s
  interfaceNamePrefix: %s
nodePortAddresses: %s
healthzBindAddress: 0.0.0.0:%d
metricsBindAddress: 127.0.0.1:%d
nftables:
  masqueradeAll: %t
  minSyncPeriod: %s
  syncPeriod: 30s
iptables:
  masqueradeAll: %[11]t
  localhostNodePorts: %[13]t
  minSyncPeriod: %[12]s
  syncPeriod: 30s
conntrack:
  maxPerCore: 0
  min: 0
  tcpEstablishedTimeout: 0s
  tcpCloseWaitTimeout: 0s
  udpTimeout: 0s
  udpStreamTimeout: 0s
`, mode, s.NodeName, s.Plane.kubeProxy, PodRange4+","+PodRange6, c.DetectLocal, PodInterfaces+"1", PodInterfaces,
		list, HealthPort, MetricsPort, c.MasqueradeAll, max(c.MinSyncPeriod, time.Millisecond), c.Localhost)
}

// Where a proxy serves its health, on all addresses of the node, and its metrics, on its loopback. One that does not serve
// all Services keeps to its own defaults, as kube-proxy may run beside it.
const (
	HealthPort  = 10256
	MetricsPort = 10249
)

func (s *Site) nodeProxyFlags(c Config, kubeconfig string) []string {
	services, addresses := c.Services, c.NodePortAddresses
	if services == "" {
		services = "all"
	}
	if addresses == nil {
		addresses = []string{"primary"}
	}
	flags := []string{
		"--kubeconfig=" + kubeconfig,
		"--node-name=" + s.NodeName,
		"--services=" + services,
		"--nodeport-addresses=" + strings.Join(addresses, ","),
		fmt.Sprint("--nodeport-localhost=", c.Localhost),
		fmt.Sprint("--masquerade-all=", c.MasqueradeAll),
		"--detect-local-mode=" + string(c.DetectLocal),
		"--cluster-cidr=" + PodRange4 + "," + PodRange6,
		"--pod-bridge-interface=" + PodInterfaces + "1",
		"--pod-interface-name-prefix=" + PodInterfaces,
	}
	if c.CloseUnallocated {
		flags = append(flags, "--close-unallocated")
	}
	if services != "all" {
		return flags
	}
	return append(flags,
		fmt.Sprint("--healthz-bind-address=0.0.0.0:", HealthPort),
		fmt.Sprint("--metrics-bind-address=127.0.0.1:", MetricsPort),
	)
}
