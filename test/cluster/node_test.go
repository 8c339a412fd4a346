package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/portolan-dev/portolan/test/cluster"
)

const webYAML = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 3
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
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: 8080, nodePort: 31000}
  - {name: dns, port: 53, targetPort: 5353, nodePort: 31053, protocol: UDP}
`

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: nodes and Pods are network namespaces")
	}
}

// apply creates what a manifest says.
func apply(t *testing.T, c *cluster.Cluster, manifest string) {
	t.Helper()
	cmd := c.Kubectl(t.Context(), "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v\n%s", err, out)
	}
}

// dialer opens connections somewhere: on a machine of the cluster, or on the host.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func ask(ctx context.Context, dial dialer, protocol, address string) (cluster.Echo, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var echo cluster.Echo
	text, err := askTCP(ctx, dial, address)
	if protocol == "UDP" {
		text, err = askUDP(ctx, dial, address)
	}
	if err != nil {
		return echo, err
	}
	return echo, json.Unmarshal(text, &echo)
}

func askTCP(ctx context.Context, dial dialer, address string) ([]byte, error) {
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

func askUDP(ctx context.Context, dial dialer, address string) ([]byte, error) {
	conn, err := dial(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte("?")); err != nil {
		return nil, err
	}
	buffer := make([]byte, 2048)
	n, err := conn.Read(buffer)
	return buffer[:n], err
}

// eventually wants check to succeed within half a minute.
func eventually(t *testing.T, check func(ctx context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("still: %v", last)
	}
}

// wantAnswers wants every node to answer on a port, from the given place.
func wantAnswers(t *testing.T, c *cluster.Cluster, from string, dial dialer, protocol string, port int) {
	t.Helper()
	for _, n := range c.Nodes() {
		address := fmt.Sprintf("%s:%d", n.IP, port)
		eventually(t, func(ctx context.Context) error {
			echo, err := ask(ctx, dial, protocol, address)
			if err != nil {
				return fmt.Errorf("%s from %s: %w", address, from, err)
			}
			if !strings.HasPrefix(echo.Pod, "web-") || echo.Protocol != protocol || echo.Namespace != "default" {
				return fmt.Errorf("%s from %s: %+v", address, from, echo)
			}
			return nil
		})
	}
}

func endpoints(t *testing.T, c *cluster.Cluster, condition string) int {
	t.Helper()
	out := kubectl(t, c, "get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o",
		"jsonpath={range .items[*].endpoints[*]}{.conditions."+condition+"}{\"\\n\"}{end}")
	return strings.Count(out, "true")
}

func TestNodesServeNodePorts(t *testing.T) {
	t.Parallel()
	for _, proxy := range []cluster.Proxy{cluster.KubeProxyNFTables, cluster.KubeProxyIPTables} {
		t.Run(string(proxy), func(t *testing.T) {
			needRoot(t)
			c := start(t, cluster.Options{Nodes: 3, Proxy: proxy})
			apply(t, c, webYAML)
			kubectl(t, c, "rollout", "status", "deployment/web", "--timeout=90s")
			host := (&net.Dialer{}).DialContext
			for from, dial := range map[string]dialer{"client": c.Client().DialContext, "host": host, "node-1": c.Nodes()[0].DialContext} {
				wantAnswers(t, c, from, dial, "TCP", 31000)
				wantAnswers(t, c, from, dial, "UDP", 31053)
			}
		})
	}
}

func TestReadinessAnnotationTakesAnEndpointOut(t *testing.T) {
	t.Parallel()
	needRoot(t)
	c := start(t, cluster.Options{Nodes: 2})
	apply(t, c, webYAML)
	kubectl(t, c, "rollout", "status", "deployment/web", "--timeout=90s")
	pod := strings.Fields(kubectl(t, c, "get", "pods", "-o", "name"))[0]
	kubectl(t, c, "annotate", pod, cluster.ReadyAnnotation+"=false")
	kubectl(t, c, "wait", "--for=condition=Ready=false", pod, "--timeout=10s")
	eventually(t, func(context.Context) error { return wantEndpoints(t, c, "ready", 1) })
	kubectl(t, c, "annotate", pod, cluster.ReadyAnnotation+"-")
	kubectl(t, c, "wait", "--for=condition=Ready", pod, "--timeout=10s")
	eventually(t, func(context.Context) error { return wantEndpoints(t, c, "ready", 2) })
}

func wantEndpoints(t *testing.T, c *cluster.Cluster, condition string, want int) error {
	t.Helper()
	if have := endpoints(t, c, condition); have != want {
		return fmt.Errorf("%d endpoints are %s, want %d", have, condition, want)
	}
	return nil
}

func TestDeletedPodAnswersUntilItsGraceIsOver(t *testing.T) {
	needRoot(t)
	c := start(t, cluster.Options{Nodes: 1})
	apply(t, c, webYAML)
	kubectl(t, c, "rollout", "status", "deployment/web", "--timeout=90s")
	ip := strings.Fields(kubectl(t, c, "get", "pods", "-o", "jsonpath={.items[*].status.podIP}"))[0]
	dial := c.Nodes()[0].DialContext

	began := time.Now()
	kubectl(t, c, "delete", "deployment", "web", "--wait=false")
	eventually(t, func(context.Context) error { return wantEndpoints(t, c, "terminating", 2) })
	if got := endpoints(t, c, "serving"); got != 2 {
		t.Errorf("%d terminating endpoints are serving, want 2", got)
	}
	if echo, err := ask(t.Context(), dial, "TCP", ip+":8080"); err != nil || time.Since(began) > 3*time.Second {
		t.Errorf("%s after the deletion: %+v, error %v; want an answer", time.Since(began), echo, err)
	}
	kubectl(t, c, "wait", "--for=delete", "pod", "--all", "--timeout=15s")
	if took := time.Since(began); took < 2*time.Second || took > 8*time.Second {
		t.Errorf("the Pods went after %s, want about the 3 s of grace", took)
	}
	if echo, err := ask(t.Context(), dial, "TCP", ip+":8080"); err == nil {
		t.Errorf("a Pod that is gone answers: %+v", echo)
	}
}

func TestHostNetworkPodWaitsAndSaysWhy(t *testing.T) {
	t.Parallel()
	needRoot(t)
	c := start(t, cluster.Options{Nodes: 1, Proxy: cluster.NoProxy})
	apply(t, c, `
apiVersion: v1
kind: Pod
metadata: {name: agent}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 30
  containers: [{name: agent, image: example.com/agent}]
`)
	eventually(t, func(context.Context) error {
		reason := kubectl(t, c, "get", "pod", "agent", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
		if reason != cluster.HostNetworkReason {
			return fmt.Errorf("the reason is %q, want %q", reason, cluster.HostNetworkReason)
		}
		return nil
	})
	kubectl(t, c, "delete", "pod", "agent", "--timeout=10s") // nothing runs, so no grace
}

func TestMachinesRunProcessesAndRoute(t *testing.T) {
	t.Parallel()
	needRoot(t)
	c := start(t, cluster.Options{Nodes: 2})
	apply(t, c, webYAML+"  externalIPs: [1.2.3.110]\n")
	kubectl(t, c, "rollout", "status", "deployment/web", "--timeout=90s")

	if conn, err := c.Client().DialContext(t.Context(), "tcp", "1.2.3.110:80"); err == nil {
		conn.Close()
		t.Error("the client reaches an address that nothing routes")
	}
	if err := c.Client().Route("1.2.3.110/32", c.Nodes()[1]); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		_, err := ask(ctx, c.Client().DialContext, "TCP", "1.2.3.110:80")
		return err
	})

	node := c.Nodes()[0]
	kubectl(t, c, "create", "serviceaccount", "robot")
	path, err := node.KubeconfigFor(t.Context(), "default", "robot")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	file, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	whoami := exec.Command(c.Kubectl(t.Context()).Path, "--kubeconfig="+path, "auth", "whoami", "-o", "json", "--cache-dir="+t.TempDir())
	whoami.Stdout, whoami.Stderr = file, file
	p, err := node.Start(whoami)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	text, _ := os.ReadFile(out)
	for _, want := range []string{"system:serviceaccount:default:robot", "authentication.kubernetes.io/node-name", node.Name} {
		if !strings.Contains(string(text), want) {
			t.Errorf("auth whoami on the node (%s) lacks %q:\n%s", p.State(), want, text)
		}
	}
}

func TestMountedSecretFollowsTheSecret(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{})
	dir := filepath.Join(t.TempDir(), "volume")
	if err := c.MountSecret(t.Context(), "default", "cert", dir); err != nil {
		t.Fatal(err)
	}
	wantFiles := func(want string) {
		t.Helper()
		eventually(t, func(context.Context) error {
			names, err := filepath.Glob(filepath.Join(dir, "[a-z]*"))
			have := ""
			for _, name := range names {
				text, _ := os.ReadFile(name)
				have += fmt.Sprintf("%s=%s ", filepath.Base(name), text)
			}
			if have != want {
				return fmt.Errorf("%s holds %q, want %q, error %w", dir, have, want, err)
			}
			return nil
		})
	}
	wantFiles("")
	kubectl(t, c, "create", "secret", "generic", "cert", "--from-literal=crt=1", "--from-literal=key=2")
	wantFiles("crt=1 key=2 ")
	kubectl(t, c, "patch", "secret", "cert", "--type=json", `-p=[{"op":"remove","path":"/data/key"},{"op":"replace","path":"/data/crt","value":"Mw=="}]`)
	wantFiles("crt=3 ")
	kubectl(t, c, "delete", "secret", "cert")
	wantFiles("")
}
