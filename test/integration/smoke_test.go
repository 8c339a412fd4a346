package integration

import (
	"strings"
	"testing"
)

func kubectl(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := shared.Cluster.Kubectl(t.Context(), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	t.Logf("kubectl %s\n%s", strings.Join(args, " "), out)
	return string(out), err
}

func TestSmoke(t *testing.T) {
	kubectl(t, "", "create", "ns", "shop")
	kubectl(t, `
apiVersion: portolan.dev/v1alpha1
kind: NodePortPool
metadata: {name: team-a}
spec:
  ranges: [{from: 30100, to: 30199}, {from: 30500, to: 30500}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
`, "apply", "-f", "-")
	svc := `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: NodePort, ports: [{port: 80}], selector: {app: web}}
`
	kubectl(t, svc, "apply", "-f", "-")
	kubectl(t, svc, "apply", "-f", "-")
	kubectl(t, "", "get", "svc", "-n", "shop")
	kubectl(t, "", "get", "npp,npa")
	kubectl(t, "", "get", "npa", "-o", "yaml")
	kubectl(t, strings.Replace(svc, "port: 80", "port: 80, nodePort: 31000", 1), "apply", "-f", "-")
	kubectl(t, "", "delete", "svc", "-n", "shop", "web")
	kubectl(t, svc, "apply", "-f", "-")
	kubectl(t, "", "get", "svc", "-n", "shop")
	kubectl(t, "", "get", "npp,npa", "-o", "wide")
}
