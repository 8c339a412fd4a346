package upgrade

import (
	"fmt"
	"os/exec"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

const (
	webPort      = 30100
	webUDPPort   = 30153
	reservedPort = 30190
	heldPort     = 30191
	clashingPort = 30199
	// loadFrom and loadTo are what Services of namespace load get, and no other.
	loadFrom, loadTo = 30200, 31999
)

// shop is what users of the version before have: objects of every kind that they make, and a Service that the nodes serve.
// Of the name of an interface that one NodePortAccess has, other versions may take another view.
var shop = fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: load}
---
apiVersion: portolan.dev/v1alpha1
kind: NodePortPool
metadata: {name: shop}
spec:
  ranges: [{from: 30100, to: 30199}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
  priority: 7
  strategy: Stable
  holdSeconds: 86400
  maxPortsPerNamespace: 50
  maxPortsPerService: 4
  serviceProxyName: portolan
  access: {from: [{ipBlock: {cidr: 198.18.0.0/15}}]}
---
apiVersion: portolan.dev/v1alpha1
kind: NodePortPool
metadata: {name: load}
spec:
  ranges: [{from: %d, to: %d}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: load}}
  holdSeconds: 0
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: example.com/web
        ports: [{containerPort: 8080}, {containerPort: 5353, protocol: UDP}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  type: NodePort
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: 8080, nodePort: %d}
  - {name: dns, port: 53, targetPort: 5353, nodePort: %d, protocol: UDP}
---
apiVersion: v1
kind: Service
metadata: {name: balanced, namespace: shop, labels: {app: web}}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: portolan.dev/v1alpha1
kind: NodePortReservation
metadata: {name: later, namespace: shop}
spec:
  serviceName: later
  ports: [{name: http, nodePort: %d}, {name: admin}]
---
apiVersion: portolan.dev/v1alpha1
kind: NodePortAccess
metadata: {name: client, namespace: shop}
spec:
  serviceSelector: {matchLabels: {app: web}}
  from: [{ipBlock: {cidr: CLIENT/32}}]
  newConnections: {perSecond: 100000, burst: 100000}
---
apiVersion: portolan.dev/v1alpha1
kind: NodePortAccess
metadata: {name: old-words, namespace: shop}
spec:
  serviceSelector: {matchLabels: {app: web}}
  interfaces: ["eth0:1"]
  addresses: [198.18.0.0/15]
`, loadFrom, loadTo, webPort, webUDPPort, reservedPort)

// kubectl runs kubectl as admin, and returns what it prints.
func (w *world) kubectl(stdin string, args ...string) string {
	w.Helper()
	cmd := w.Kubectl(w.Context(), args...)
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(stdin, "CLIENT", w.Cluster.Client().IP.String()))
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.Fatalf("kubectl %s: %v\n%s", args, err, out)
	}
	return string(out)
}

// makeHold has a Service come and go, whose number is kept for it.
func (w *world) makeHold() {
	w.Helper()
	svc := servicetest.MakeService("shop/gone").NodePort(80, heldPort).Obj()
	w.must(w.Create(w.Context(), svc))
	w.awaitState(heldPort, allocator.Bound)
	w.must(w.Delete(w.Context(), svc))
	w.awaitState(heldPort, allocator.Held)
}

func (w *world) awaitState(number int32, want allocator.State) {
	w.Helper()
	w.eventually(fmt.Sprintf("%d is in state %v", number, want), func() error {
		a := &v1alpha1.NodePortAllocation{}
		if err := w.Get(w.Context(), client.ObjectKey{Name: allocator.NameOf(number)}, a); err != nil {
			return err
		}
		if got := allocator.StateOf(a, a.CreationTimestamp.Time); got != want {
			return fmt.Errorf("it is in %v", got)
		}
		return nil
	})
}

// settle waits until managers and nodes have said all that there is to say of what users made.
func (w *world) settle() {
	w.Helper()
	w.kubectl("", "wait", "npr/later", "-n", "shop", "--for=condition=Ready", "--timeout=90s")
	w.kubectl("", "wait", "npacc/client", "-n", "shop", "--for=condition=Programmed", "--timeout=90s")
	w.kubectl("", "wait", fmt.Sprint("npa/", webPort), "--for=condition=Programmed", "--timeout=90s")
	w.kubectl("", "wait", "npu/shop", "-n", "shop", "--for=create", "--timeout=90s")
	w.kubectl("", "wait", "npp/shop", "--for=condition=Conforming", "--timeout=90s")
	w.awaitReports()
}

// awaitReports waits until each node's report is that of its node-proxy of now.
func (w *world) awaitReports() {
	w.Helper()
	version, err := exec.Command(w.nodeProxiesAre.Program("node-proxy"), "version").Output()
	w.must(err)
	w.eventually("all nodes report what their node-proxy is", func() error {
		for _, n := range w.Nodes() {
			state := &v1alpha1.NodePortNodeState{}
			if err := w.Get(w.Context(), client.ObjectKey{Name: n.Name}, state); err != nil {
				return err
			}
			if want := strings.TrimSpace(string(version)); state.Status.ProxyVersion != want {
				return fmt.Errorf("%s says %q, want %q", n.Name, state.Status.ProxyVersion, want)
			}
		}
		return nil
	})
}

// awaitLost waits until what a rollback loses is there.
func (w *world) awaitLost() {
	w.Helper()
	w.eventually("the pool says the API server's range", func() error {
		pool := &v1alpha1.NodePortPool{}
		if err := w.Get(w.Context(), client.ObjectKey{Name: "shop"}, pool); err != nil {
			return err
		}
		if pool.Status.NodePortRange != "30000-32767" {
			return fmt.Errorf("it says %q", pool.Status.NodePortRange)
		}
		return nil
	})
}

// numbers are the node ports of all Services, by namespace, name and port.
func (w *world) numbers() map[string]int32 {
	w.Helper()
	services := &corev1.ServiceList{}
	w.must(w.List(w.Context(), services))
	found := map[string]int32{}
	for _, svc := range services.Items {
		for _, p := range svc.Spec.Ports {
			found[fmt.Sprintf("%s/%s:%s", svc.Namespace, svc.Name, p.Name)] = p.NodePort
		}
		found[fmt.Sprintf("%s/%s:health check", svc.Namespace, svc.Name)] = svc.Spec.HealthCheckNodePort
	}
	return found
}

// wantNumbers fails the test unless all Services of before are there, and have the numbers that they had.
func (w *world) wantNumbers(before map[string]int32) {
	w.Helper()
	now := w.numbers()
	for port, number := range before {
		if now[port] != number {
			w.Errorf("%s had %d, and has %d", port, number, now[port])
		}
	}
}
