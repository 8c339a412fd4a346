package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/traffic"
)

// replaceKubeProxy is what docs/howto/replace-kube-proxy.md has users make.
const replaceKubeProxy = "test/integration/testdata/overlays/replace-kube-proxy"

const (
	webIP       = "10.96.100.100"
	webPort     = "31000"
	webUDPPort  = "31053"
	webManifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: example.com/web
        ports:
        - {containerPort: 8080}
        - {containerPort: 5353, protocol: UDP}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  clusterIP: ` + webIP + `
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: 8080, nodePort: ` + webPort + `}
  - {name: dns, port: 53, targetPort: 5353, nodePort: ` + webUDPPort + `, protocol: UDP}
`
)

// The steps of docs/howto/replace-kube-proxy.md, there and back.
func TestNodeProxyTakesOverFromKubeProxyAndGivesBackWithoutALostRequest(t *testing.T) {
	for _, mode := range []cluster.Proxy{cluster.KubeProxyNFTables, cluster.KubeProxyIPTables} {
		t.Run(string(mode), func(t *testing.T) {
			needKubeProxy(t)
			c := start(t, cluster.Options{Nodes: 2, Proxy: mode})
			if _, err := install.Apply(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			kubectl(t, c, webManifest, "apply", "-f", "-")
			kubectl(t, c, "", "rollout", "status", "deployment/web", "--timeout=120s")
			all := everyWayIn(t, c)
			awaitAnswers(t, all)

			p, err := install.ApplyNodeProxyOverlay(t.Context(), c, replaceKubeProxy, program("node-proxy"), "--report-spread=0s")
			if err != nil {
				t.Fatal(err)
			}
			stop := traffic.Start(t, all)
			running := takeOver(t, c, p)
			wantOwnRules(t, c, p)
			giveBack(t, c, p, running, mode)
			stop()
			traffic.WantAllAnswered(t, all)
		})
	}
}

// everyWayIn is traffic from outside and from a node to a node port and the cluster IP.
func everyWayIn(t *testing.T, c *cluster.Cluster) []*traffic.Stream {
	t.Helper()
	first, second, client := c.Nodes()[0], c.Nodes()[1], c.Client()
	nodePort, nodeUDPPort := first.IP.String()+":"+webPort, first.IP.String()+":"+webUDPPort
	if err := client.Route(webIP+"/32", second); err != nil {
		t.Fatal(err)
	}
	return []*traffic.Stream{
		traffic.Connecting(client, nodePort), traffic.Connecting(first.Machine, nodePort), traffic.Connecting(second.Machine, webIP), traffic.Connecting(client, webIP),
		traffic.Datagrams(client, nodeUDPPort), traffic.Datagrams(first.Machine, webIP+":53"),
		traffic.Connected(t, client, nodePort), traffic.Connected(t, first.Machine, webIP),
		traffic.DatagramFlow(t, client, nodeUDPPort), traffic.DatagramFlow(t, first.Machine, webIP+":53"),
	}
}

// awaitAnswers returns when the proxies know the Service.
func awaitAnswers(t *testing.T, all []*traffic.Stream) {
	t.Helper()
	for _, one := range all[:6] { // those that begin anew each time
		eventually(t, one.What, one.Send)
	}
}

// takeOver puts node-proxy in the place of kube-proxy. Both serve all Services for a while, and kube-proxy has the ports
// that both want.
func takeOver(t *testing.T, c *cluster.Cluster, p *install.NodeProxy) (running map[*cluster.Node]*cluster.Process) {
	t.Helper()
	running = map[*cluster.Node]*cluster.Process{}
	for _, n := range c.Nodes() {
		process, err := p.StartOn(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		running[n] = process
	}
	for _, n := range c.Nodes() {
		kubectl(t, c, "", "wait", "--for=create", "npns/"+n.Name, "--timeout=120s")
	}
	// That there are as many reports as nodes, the guide has users count.
	kubectl(t, c, "", "wait", "nodeportnodestates", "--all", "--for=jsonpath={.status.mode}=All", "--timeout=120s")
	kubectl(t, c, "", "wait", "nodeportnodestates", "--all", "--for=condition=Ready", "--timeout=120s")
	for _, n := range c.Nodes() {
		n.StopKubeProxy()
		if err := n.CleanUpKubeProxy(); err != nil {
			t.Error(err)
		}
		wantNoRules(t, n, "kube-proxy {", "KUBE-SERVICES")
	}
	return running
}

// wantOwnRules changes the endpoints: node-proxy alone is there to tell the nodes.
func wantOwnRules(t *testing.T, c *cluster.Cluster, p *install.NodeProxy) {
	t.Helper()
	kubectl(t, c, "", "scale", "deployment/web", "--replicas=6")
	for _, n := range c.Nodes() {
		eventually(t, n.Name+" knows the new endpoints", func(context.Context) error {
			said, err := p.Run(n, "show", "web")
			if err != nil || !strings.Contains(said, "any of 6 endpoints") {
				return fmt.Errorf("it says %w\n%s", err, said)
			}
			return nil
		})
	}
}

// giveBack puts kube-proxy in the place of node-proxy.
func giveBack(t *testing.T, c *cluster.Cluster, p *install.NodeProxy, running map[*cluster.Node]*cluster.Process, mode cluster.Proxy) {
	t.Helper()
	table := map[cluster.Proxy]string{cluster.KubeProxyNFTables: "kube-proxy", cluster.KubeProxyIPTables: "nat"}[mode]
	for _, n := range c.Nodes() {
		if err := n.StartKubeProxy(t.Context(), mode); err != nil {
			t.Fatal(err)
		}
		// Whatever is asked on its ports, node-proxy answers.
		eventually(t, "kube-proxy has programmed "+n.Name, func(context.Context) error {
			if rules, err := nft(n, "list", "table", "ip", table); err != nil || !strings.Contains(rules, webIP) {
				return fmt.Errorf("%s is not in its rules: %w", webIP, err)
			}
			return nil
		})
	}
	for _, n := range c.Nodes() {
		running[n].Stop(10 * time.Second)
		if said, err := p.Run(n, "cleanup"); err != nil {
			t.Errorf("%v\n%s", err, said)
		}
		wantNoRules(t, n, "portolan {")
	}
}

// wantNoRules wants nothing of that name among the rules of a node.
func wantNoRules(t *testing.T, n *cluster.Node, names ...string) {
	t.Helper()
	rules, err := nft(n, "list", "ruleset")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.Contains(rules, name) {
			t.Errorf("%s of %s is left\n%s", name, n.Name, rules)
		}
	}
}

// nft runs the command of that name on a node, and returns what it prints.
func nft(n *cluster.Node, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.Command("nft", args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := n.Start(cmd)
	if err != nil {
		return "", err
	}
	if <-p.Done(); !p.State().Success() {
		return "", fmt.Errorf("nft %s: %s\n%s", args, p.State(), &out)
	}
	return out.String(), nil
}

func kubectl(t *testing.T, c *cluster.Cluster, stdin string, args ...string) {
	t.Helper()
	cmd := c.Kubectl(t.Context(), args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kubectl %s: %v\n%s", args, err, out)
	}
}

// eventually wants check to succeed within half a minute.
func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		within, cancel := context.WithTimeout(ctx, traffic.AnswerWithin)
		defer cancel()
		last = check(within)
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("%s: %v", what, last)
	}
}
