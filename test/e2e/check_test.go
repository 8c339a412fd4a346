package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
)

// checked are a Pod on each of two nodes, and Services of all kinds of trouble.
const checked = `
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: web, on: one}}
spec:
  nodeName: node-1
  containers: [{name: web, image: example.com/web, ports: [{containerPort: 8080}, {containerPort: 5353, protocol: UDP}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: two, labels: {app: web, on: two}}
spec:
  nodeName: node-2
  containers: [{name: web, image: example.com/web, ports: [{containerPort: 8080}, {containerPort: 5353, protocol: UDP}]}]
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
---
apiVersion: v1
kind: Service
metadata: {name: local}
spec:
  type: NodePort
  externalTrafficPolicy: Local
  selector: {on: one}
  ports: [{name: http, port: 80, targetPort: 8080, nodePort: 31001}]
---
apiVersion: v1
kind: Service
metadata: {name: mute}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 9999, nodePort: 31002}]
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec:
  type: NodePort
  selector: {app: nobody}
  ports: [{name: http, port: 80, targetPort: 8080, nodePort: 31003}]
---
apiVersion: v1
kind: Service
metadata: {name: closed, labels: {app: closed}}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080, nodePort: 31004}]
---
apiVersion: portolan.dev/v1alpha1
kind: NodePortAccess
metadata: {name: office}
spec:
  serviceSelector: {matchLabels: {app: closed}}
  from: [{ipBlock: {cidr: 203.0.113.0/24}}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: checker}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: checker}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: checker, namespace: default}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: tester}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules: [{apiGroups: ["*"], resources: ["*"], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: default}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: tester}
rules:
- {apiGroups: ["", discovery.k8s.io, portolan.dev], resources: [services, nodes, endpointslices, nodeportpools, nodeportaccesses, nodeportnodestates], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: tester}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: tester}
subjects: [{kind: ServiceAccount, name: tester, namespace: default}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: tester, namespace: portolan-node}
rules:
- {apiGroups: [""], resources: [pods], verbs: [list]}
- {apiGroups: [""], resources: [pods/exec], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tester, namespace: portolan-node}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tester}
subjects: [{kind: ServiceAccount, name: tester, namespace: default}]
`

// late is a Service that comes when node-3 learns nothing any more, and strange is one whose endpoint is another's Pod.
const late = `
apiVersion: v1
kind: Service
metadata: {name: late}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080, nodePort: 31005}]
---
apiVersion: v1
kind: Service
metadata: {name: strange}
spec:
  type: NodePort
  ports: [{name: http, port: 80, targetPort: 8080, nodePort: 31006}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: strange-1, labels: {kubernetes.io/service-name: strange}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [ADDRESS], nodeName: node-1, targetRef: {kind: Pod, name: ghost, namespace: default}}]
`

// checking is somebody outside of the cluster's nodes who runs kubectl portolan check.
type checking struct {
	*testing.T
	cluster    *cluster.Cluster
	kubeconfig string
}

func TestCheckFindsWhichNodeDoesNotAnswerAndWhy(t *testing.T) {
	t.Parallel()
	needRoot(t)
	c := start(t, cluster.Options{Nodes: 3, Proxy: cluster.NoProxy})
	if _, err := install.Apply(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	p, err := install.ApplyNodeProxy(t.Context(), c, program("node-proxy"), "--services=all", "--report-spread=0s")
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, c, checked, "apply", "-f", "-")
	kubectl(t, c, "", "wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")
	var last *cluster.Process
	for _, n := range c.Nodes() {
		if last, err = p.StartOn(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	kubectl(t, c, "", "wait", "--for=condition=Ready", "pod", "--all", "-n", install.NodeNamespace, "--timeout=60s")
	w := (&checking{T: t, cluster: c}).as("checker")
	w.finds(0, "web --http / --udp-payload ?", "answers everywhere: 6 of 6", "http 31000 node-3 ok", " two", "dns 31053/UDP node-2 ok")
	w.finds(0, "web", "answers wherever it should", "node-3: whether UDP answers cannot be told without a datagram to send: --udp-payload")
	w.finds(0, "local", "http 31001 node-1 ok", "externalTrafficPolicy is Local, and no ready pod is there")
	w.finds(1, "mute", "answers nowhere", "does not answer at targetPort 9999 (one, two)", "get pods -o wide -l app=web")
	w.finds(1, "empty", "answers nowhere: no pod of the Service is ready, of 0", "get pods -o wide -l app=nobody")
	w.finds(1, "closed", "answers nowhere: NodePortAccess office does not let "+c.Client().IP.String()+" in", "kubectl -n default describe npacc office")
	w.fromEveryNode()
	w.goesIntoNodeProxy()

	last.Stop(10 * time.Second) // what node-3 has stays, and nothing new comes
	kubectl(t, c, strings.ReplaceAll(late, "ADDRESS", podIP(t, c, "one")), "apply", "-f", "-")
	w.finds(1, "late", "http 31005 node-1 ok", "node-3: whether the rules are there is not reported yet", "kubectl portolan check late -n default")
	gone := `node-3: nothing was tried from there: node-proxy knock did not run in its Pod: Internal error occurred: unable to upgrade connection: container not found ("node-proxy")`
	w.finds(1, "late --from-nodes", "http 31005 node-1 from node-2 ok", "http 31005 node-3 from node-1 refused", "http 31005 node-3 from node-2 refused",
		"node-3: whether the rules are there is not reported yet", gone, "kubectl -n portolan-node get pods -o wide --field-selector spec.nodeName=node-3")
	w.finds(1, "local --from-nodes", "answers wherever it should", "and nothing could be tried from node-3")
	w.finds(1, "strange --http /", "wrong pod", "one answers, by what it says of itself, which is no pod of the Service (ghost)")
	w.finds(1, "strange --http / --from-nodes", "http 31006 node-1 from node-2 wrong pod", "which is no pod of the Service (ghost)")
	if _, err := p.Run(c.Nodes()[2], "cleanup"); err != nil {
		t.Fatal(err)
	}
	w.finds(1, "web", "http 31000 node-2 ok", "http 31000 node-3 refused", "node-3: other nodes answer, and this one has reported", "node-proxy show 31000")
	w.finds(1, "web --from-nodes", "http 31000 node-2 from node-1 ok", "http 31000 node-3 from node-1 refused", "http 31000 node-3 from node-2 refused")
	kubectl(t, c, "", "delete", "daemonset", "portolan-node-proxy", "-n", install.NodeNamespace)
	w.finds(2, "web --from-nodes", "no Pod of node-proxy runs in namespace portolan-node")
}

// as is another who runs it: a ServiceAccount of namespace default.
func (w *checking) as(account string) *checking {
	w.Helper()
	path, err := w.cluster.Nodes()[0].KubeconfigFor(w.Context(), "default", account)
	if err != nil {
		w.Fatal(err)
	}
	return &checking{T: w.T, cluster: w.cluster, kubeconfig: path}
}

// fromEveryNode wants every node to try all nodes, for who may have them do so.
func (w *checking) fromEveryNode() {
	w.Helper()
	w.finds(0, "web --from-nodes --http / --udp-payload ?", "answers everywhere: 24 of 24 attempts",
		"http 31000 node-1 from node-3 ok", "http 31000 node-2 from node-2 ok", "dns 31053/UDP node-3 from node-1 ok", " two")
	w.finds(1, "closed --from-nodes", "at 9 of 12 attempts", "http 31004 node-2 from node-2 ok", "http 31004 node-3 from node-2 refused", "NodePortAccess office does not let the addresses of nodes in (spec.from)", `"value":{"ipBlock":{"cidr":"`)
	w.as("tester").finds(0, "local --from-nodes", "http 31001 node-1 from node-3 ok", "externalTrafficPolicy is Local")
	w.as("reader").finds(2, "web --from-nodes", "--from-nodes takes the rights to list Pods and to create pods/exec in namespace portolan-node, "+
		"and you may not create pods/exec there")
}

// goesIntoNodeProxy wants kubectl exec to run node-proxy on its node, as it would in a container of its image.
func (w *checking) goesIntoNodeProxy() {
	w.Helper()
	inNode := func(args ...string) string {
		out, err := w.cluster.Kubectl(w.Context(), append([]string{"-n", install.NodeNamespace}, args...)...).CombinedOutput()
		if err != nil {
			return fmt.Sprintf("%s: %v", out, err)
		}
		return string(out)
	}
	pod := strings.TrimSpace(inNode("get", "pods", "-o", "name", "--field-selector", "spec.nodeName=node-2"))
	for command, want := range map[string]string{
		"node-proxy show web":  "default/web (NodePort) is served by this node, node-2.",
		"node-proxy show none": "command terminated with exit code 1",
		"sh":                   `exec: "sh": executable file not found in $PATH`,
	} {
		if said := inNode(append([]string{"exec", pod, "--"}, strings.Fields(command)...)...); !strings.Contains(said, want) {
			w.Errorf("%s in %s: want %q:\n%s", command, pod, want, said)
		}
	}
}

func podIP(t *testing.T, c *cluster.Cluster, name string) string {
	t.Helper()
	out, err := c.Kubectl(t.Context(), "get", "pod", name, "-o", "jsonpath={.status.podIP}").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// finds waits until the check ends with a code, and says all of this. Spaces stand for any number of them.
func (w *checking) finds(code int, args string, words ...string) {
	w.Helper()
	eventually(w.T, "check "+args, func(context.Context) error {
		out, got := w.run(strings.Fields("check " + args)...)
		if got != code {
			return fmt.Errorf("exit code %d, want %d:\n%s", got, code, out)
		}
		text := strings.Join(strings.Fields(out), " ")
		for _, word := range words {
			if !strings.Contains(text, strings.TrimSpace(word)) {
				return fmt.Errorf("%q is not there:\n%s", word, out)
			}
		}
		return nil
	})
}

// run runs kubectl portolan on the client.
func (w *checking) run(args ...string) (string, int) {
	w.Helper()
	var out bytes.Buffer
	cmd := exec.Command(program("kubectl-portolan"), append(args, "--timeout=1s")...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = []string{"KUBECONFIG=" + w.kubeconfig, "HOME=" + w.TempDir(), "PATH=" + os.Getenv("PATH"), "COLUMNS=200"}
	process, err := w.cluster.Client().Start(cmd)
	if err != nil {
		w.Fatal(err)
	}
	<-process.Done()
	return out.String(), process.State().ExitCode()
}
