package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/scheme"
	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/traffic"
)

const (
	blogPort = "31007"
	// blog is a Service that comes later, of the same Pods.
	blog = `
apiVersion: v1
kind: Service
metadata: {name: blog}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080, nodePort: ` + blogPort + `}]
`
)

// fleet is a cluster with HAProxy in front of its three nodes.
type fleet struct {
	*testing.T
	cluster   *cluster.Cluster
	client    client.Client // as admin
	nodeProxy *install.NodeProxy
	running   map[*cluster.Node]*cluster.Process
	balancer  *balancer
}

// docs/howto/load-balancer.md: who asks HAProxy does not notice what becomes of the nodes behind it.
func TestHAProxyFollowsNodesAndPortsWithoutALostRequest(t *testing.T) {
	needHAProxy(t)
	f := newFleet(t)
	t.Run("a node dies", func(t *testing.T) { f.on(t).nodeDies() })
	t.Run("a node is drained, a port is added, a node comes", func(t *testing.T) { f.on(t).nodeLeaves() })
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	c := start(t, cluster.Options{Nodes: 3, Proxy: cluster.NoProxy})
	if _, err := install.Apply(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	f := &fleet{T: t, cluster: c, running: map[*cluster.Node]*cluster.Process{}}
	var err error
	if f.client, err = client.New(c.Config(), client.Options{Scheme: scheme.New()}); err != nil {
		t.Fatal(err)
	}
	if f.nodeProxy, err = install.ApplyNodeProxy(t.Context(), c, program("node-proxy"), "--services=all", "--report-spread=0s"); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes() {
		f.startNodeProxy(n)
	}
	// No Pod of the Service is on the node that dies: Kubernetes counts on those of a dead node for most of a minute.
	kubectl(t, c, "", "taint", "node", c.Nodes()[2].Name, "example.com/web=not:NoSchedule")
	kubectl(t, c, webManifest, "apply", "-f", "-")
	kubectl(t, c, "", "rollout", "status", "deployment/web", "--timeout=120s")
	f.balancer = startBalancer(t, c)
	eventually(t, "the Service answers through HAProxy", f.asking(webPort).Send)
	return f
}

// on is the fleet in another test.
func (f *fleet) on(t *testing.T) *fleet {
	b := *f.balancer
	b.T = t
	g := *f
	g.T, g.balancer = t, &b
	return &g
}

func (f *fleet) startNodeProxy(n *cluster.Node) {
	f.Helper()
	process, err := f.nodeProxy.StartOn(f.Context(), n)
	if err != nil {
		f.Fatal(err)
	}
	f.running[n] = process
}

// power pulls a machine's plug, or puts it in again: it answers nobody then, and refuses nobody either.
func (f *fleet) power(n *cluster.Node, state string) {
	f.Helper()
	bridge := strings.TrimSuffix(n.Namespace(), n.Name) + "switch"
	if out, err := exec.Command("ip", "-n", bridge, "link", "set", n.Name, state).CombinedOutput(); err != nil {
		f.Fatalf("%v\n%s", err, out)
	}
	if state != "up" {
		return
	}
	// The kernel takes up to a second to notice.
	eventually(f.T, n.Name+" is on the network", func(ctx context.Context) error {
		conn, err := f.balancer.machine.DialContext(ctx, "tcp", n.IP.String()+":9")
		if err == nil {
			return conn.Close()
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil
		}
		return err
	})
}

// asking is requests from this host to a number of HAProxy's, each over a connection of its own.
func (f *fleet) asking(number string) *traffic.Stream {
	address := f.balancer.address(number)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return traffic.Paced(f.T, &traffic.Stream{What: "new connections through HAProxy to " + number, Send: traffic.Asking(client, address), Within: patience})
}

// askingOn is requests over one connection, which HAProxy has with a node.
func (f *fleet) askingOn(number string) *traffic.Stream {
	dials := 0
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials++; dials > 1 {
			return nil, errors.New("the connection has ended")
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}}
	f.Cleanup(client.CloseIdleConnections)
	return traffic.Paced(f.T, &traffic.Stream{What: "one connection through HAProxy to " + number, Send: traffic.Asking(client, f.balancer.address(number))})
}

// A node that dies takes with it the connections that it has, which the page says. Nobody else notices but for a wait.
func (f *fleet) nodeDies() {
	victim := f.cluster.Nodes()[2]
	f.balancer.hasServer(victim.Name, "UP")
	var between sync.RWMutex // held for reading by who has a request under way
	var all []*traffic.Stream
	for range 4 {
		one := f.asking(webPort)
		all = append(all, one)
		send := one.Send
		one.Send = func(ctx context.Context) error {
			between.RLock()
			defer between.RUnlock()
			return send(ctx)
		}
	}
	stop := traffic.Start(f.T, all)
	between.Lock()
	f.power(victim, "down")
	between.Unlock()
	f.balancer.hasServer(victim.Name, "DOWN")
	between.Lock() // who waited for it has been answered by way of another
	f.power(victim, "up")
	between.Unlock()
	f.balancer.hasServer(victim.Name, "UP")
	f.reachedBy(victim)
	eventually(f.T, "all have been asked for a while", atLeast(3*time.Second))
	stop()
	f.wantAllAnswered(all...)
}

// patience is more than HAProxy waits for a node that does not answer, several times.
const patience = 15 * time.Second

// wantAllAnswered wants an answer to each request, and says how long the slowest took.
func (f *fleet) wantAllAnswered(all ...*traffic.Stream) {
	f.Helper()
	for _, one := range all {
		f.Logf("%s: the longest wait was %s", one.What, one.Longest.Round(time.Millisecond))
	}
	traffic.WantAllAnswered(f.T, all)
}

// nodeLeaves takes a node away as operators do, adds a port meanwhile, and has a node come in its place.
func (f *fleet) nodeLeaves() {
	leaver := f.cluster.Nodes()[2]
	web, later := f.asking(webPort), f.asking(blogPort)
	stopWeb := traffic.Start(f.T, []*traffic.Stream{web})
	object := f.leave(leaver)
	open := f.askingOn(webPort)
	stopOpen := traffic.Start(f.T, []*traffic.Stream{open})

	kubectl(f.T, f.cluster, blog, "apply", "-f", "-")
	f.balancer.hasFile("a Service that has come", "bind *:"+blogPort+"\n", true)
	f.balancer.timed("it answers through HAProxy", later.Send)
	stopLater := traffic.Start(f.T, []*traffic.Stream{later})

	f.join(leaver, object)
	stopLater()
	stopOpen()
	stopWeb()
	f.wantAllAnswered(web, later, open)
}

// leave takes a node out of the cluster, ends with its machine's being off, and returns what its Node was.
func (f *fleet) leave(n *cluster.Node) *corev1.Node {
	f.Helper()
	node := &corev1.Node{}
	if err := f.client.Get(f.Context(), client.ObjectKey{Name: n.Name}, node); err != nil {
		f.Fatal(err)
	}
	was := node.DeepCopy()
	node.Spec.Unschedulable = true
	if err := f.client.Patch(f.Context(), node, client.MergeFrom(was)); err != nil {
		f.Fatal(err)
	}
	f.balancer.hasFile("that a node is cordoned", "server "+n.Name+" ", false)
	f.balancer.hasServer(n.Name, "")
	kubectl(f.T, f.cluster, "", "drain", n.Name, "--ignore-daemonsets", "--grace-period=2", "--timeout=60s")
	kubectl(f.T, f.cluster, "", "delete", "node", n.Name)
	f.running[n].Stop(10 * time.Second)
	if said, err := f.nodeProxy.Run(n, "cleanup"); err != nil { // a machine that starts anew has no rules
		f.Errorf("%v\n%s", err, said)
	}
	f.power(n, "down")
	return was
}

// join has a node come: first the machine, then its Node, which is ready before node-proxy is.
func (f *fleet) join(n *cluster.Node, was *corev1.Node) {
	f.Helper()
	f.power(n, "up")
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: was.Labels}}
	node.Spec.PodCIDR, node.Spec.PodCIDRs = was.Spec.PodCIDR, was.Spec.PodCIDRs
	if err := f.client.Create(f.Context(), node); err != nil {
		f.Fatal(err)
	}
	bare := node.DeepCopy()
	node.Status = was.Status
	if err := f.client.Status().Patch(f.Context(), node, client.MergeFrom(bare)); err != nil {
		f.Fatal(err)
	}
	f.balancer.hasFile("a node that has come", "server "+n.Name+" "+n.IP.String()+":"+blogPort+"\n", true)
	f.startNodeProxy(n)
	f.balancer.hasServer(n.Name, "UP")
	f.reachedBy(n)
}

// reachedBy waits for an answer whose request came by way of a node: a Pod on another one has seen that as the client. It asks
// several times in a row: between two tries the other traffic may have taken HAProxy round all nodes each time.
func (f *fleet) reachedBy(n *cluster.Node) {
	f.Helper()
	f.balancer.timed("a request has come by way of "+n.Name, func(ctx context.Context) error {
		var seen []string
		for range 2 * len(f.cluster.Nodes()) {
			echo, err := ask(ctx, f.balancer.address(webPort))
			if err != nil {
				return err
			}
			if client, _, _ := net.SplitHostPort(echo.Client); client == n.IP.String() {
				return nil
			}
			seen = append(seen, echo.Client)
		}
		return fmt.Errorf("the Pods have seen %s", seen)
	})
}

func ask(ctx context.Context, address string) (echo cluster.Echo, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, nil)
	if err != nil {
		return echo, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return echo, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return echo, err
	}
	return echo, json.Unmarshal(text, &echo)
}
