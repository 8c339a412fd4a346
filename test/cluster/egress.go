package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The API server sits on the host, which has no way to Services, Pods and nodes; left alone, it would send what is meant
// for them (calls of webhooks by Service reference, say) out of the host's default route. So it is told to go through a
// proxy for everything in the cluster (an "egress selector", KEP-1281): a socket in the state directory, served here. The
// proxy dials from the first node, whose kube-proxy knows the Services, and which reaches the other nodes; or, for a
// Service that ServeService names, a process on the host.
const (
	egressSocket = "egress.sock"
	egressConfig = `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport:
      uds:
        udsName: ` + egressSocket + ` # in the API server's working directory: a socket's path must be short
`
)

// hostedService is a Service that a process on the host serves.
type hostedService struct{ namespace, name, address string }

// ServeService makes the API server's own connections to a Service's cluster IP, whatever the port, end at an address on
// the host, such as "127.0.0.1:9443". So a webhook that is configured by Service reference reaches a plain process that
// serves it, certificate names and all, with and without nodes. The Service may be made later. Others in the cluster
// reach the Service as ever.
func (c *Cluster) ServeService(namespace, name, address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hosted = append(slices.DeleteFunc(c.hosted, func(h hostedService) bool {
		return h.namespace == namespace && h.name == name
	}), hostedService{namespace, name, address})
}

// serveEgress writes the configuration and serves the proxy until Stop.
func (c *Cluster) serveEgress() error {
	if err := os.WriteFile(c.state.path("egress.yaml"), []byte(egressConfig), 0o600); err != nil {
		return err
	}
	listener, err := listenUnix(c.state.dir, egressSocket)
	if err != nil {
		return fmt.Errorf("listening for the API server's way into the cluster: %w", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(c.proxyEgress)}
	context.AfterFunc(c.running, func() { server.Close() })
	c.background.Go(func() { _ = server.Serve(listener) })
	return nil
}

// listenUnix listens on a socket in a directory whose path may be longer than a socket's can be.
func listenUnix(dir, name string) (net.Listener, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), name)})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // by a path that means something else by then; it goes with the state directory
	return listener, nil
}

// proxyEgress answers a CONNECT request.
func (c *Cluster) proxyEgress(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "only CONNECT is served here", http.StatusMethodNotAllowed)
		return
	}
	target, err := c.dialEgress(r.Context(), r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		target.Close()
		return
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		target.Close()
		conn.Close()
		return
	}
	c.join(conn, target)
}

func (c *Cluster) dialEgress(ctx context.Context, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if process, ok := c.hostedAt(ctx, host); ok {
		return (&net.Dialer{}).DialContext(ctx, "tcp", process)
	}
	if len(c.nodes) == 0 {
		return nil, errors.New("the demo cluster has no nodes: nothing in it listens at " + address)
	}
	return c.nodes[0].DialContext(ctx, "tcp4", address)
}

// hostedAt is the address of the process that serves the Service of this cluster IP.
func (c *Cluster) hostedAt(ctx context.Context, clusterIP string) (string, bool) {
	c.mu.Lock()
	hosted := slices.Clone(c.hosted)
	c.mu.Unlock()
	for _, h := range hosted {
		service, err := c.admin.CoreV1().Services(h.namespace).Get(ctx, h.name, metav1.GetOptions{})
		if err == nil && service.Spec.ClusterIP == clusterIP && !strings.EqualFold(clusterIP, "None") {
			return h.address, true
		}
	}
	return "", false
}
