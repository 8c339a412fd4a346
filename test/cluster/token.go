package cluster

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// tokenLifetime outlives every demo and test, so nobody refreshes a token.
const tokenLifetime = 24 * time.Hour

// KubeconfigFor writes a kubeconfig with a token of a ServiceAccount, for a process on the host that shall have the rights
// it would have in the cluster. The token is good for 24 hours, the file goes with Stop.
func (c *Cluster) KubeconfigFor(ctx context.Context, namespace, serviceAccount string) (path string, err error) {
	return c.tokenKubeconfig(ctx, c.url, "host", namespace, serviceAccount, nil)
}

// KubeconfigFor is Cluster.KubeconfigFor for a process of this node: the server is the address that nodes reach, and the
// token is bound to the Node, so the API server knows the node that its user is on, as it does for a DaemonSet's Pod
// (userInfo.extra["authentication.kubernetes.io/node-name"]).
func (n *Node) KubeconfigFor(ctx context.Context, namespace, serviceAccount string) (path string, err error) {
	return n.cluster.boundKubeconfig(ctx, n.cluster.nodesURL(), n.Name, namespace, serviceAccount)
}

// KubeconfigOn is KubeconfigFor for a process on the host that stands in for one of a node, which need not be one of the
// cluster's own: the token is bound to the Node of that name.
func (c *Cluster) KubeconfigOn(ctx context.Context, node, namespace, serviceAccount string) (path string, err error) {
	return c.boundKubeconfig(ctx, c.url, node, namespace, serviceAccount)
}

func (c *Cluster) boundKubeconfig(ctx context.Context, server, node, namespace, serviceAccount string) (string, error) {
	object, err := c.admin.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	bound := &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Node", Name: node, UID: object.UID}
	return c.tokenKubeconfig(ctx, server, node, namespace, serviceAccount, bound)
}

func (c *Cluster) tokenKubeconfig(ctx context.Context, server, where, namespace, serviceAccount string, bound *authenticationv1.BoundObjectReference) (string, error) {
	request, err := c.admin.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, serviceAccount, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{
			ExpirationSeconds: new(int64(tokenLifetime.Seconds())),
			BoundObjectRef:    bound,
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("token of ServiceAccount %s/%s: %w", namespace, serviceAccount, err)
	}
	path := c.state.path(fmt.Sprintf("%s-%s-%s.kubeconfig", where, namespace, serviceAccount))
	return path, kubeconfig{
		server: server, ca: c.pki.cluster.pem,
		user: "system:serviceaccount:" + namespace + ":" + serviceAccount, token: request.Status.Token,
	}.write(path)
}
