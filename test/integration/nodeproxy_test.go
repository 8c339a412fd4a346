package integration

import (
	"context"
	"fmt"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/scheme"
)

// Where config/node-proxy puts the node-proxies' ServiceAccount.
const (
	nodeProxyNamespace = "portolan-node"
	nodeProxyAccount   = "portolan-node-proxy"
)

// nodeProxies are the node-proxies of a test, as far as the API server knows them: by their tokens. Of the nodes there are
// the objects alone.
type nodeProxies struct{ *world }

// withNodeProxies installs config/node-proxy. It returns when the API server goes by its policy.
func (w *world) withNodeProxies() nodeProxies {
	w.Helper()
	w.mustKubectl("", "apply", "-k", filepath.Join("..", "..", "config", "node-proxy"))
	w.eventually("the policy is in force", func() error {
		err := w.Create(w.Context(), makeNodeState("nobody"), client.DryRunAll)
		if !apierrors.IsForbidden(err) {
			return fmt.Errorf("an admin creates a node's state: %w", err)
		}
		return nil
	})
	return nodeProxies{w}
}

// nodeProxy is one of them.
type nodeProxy struct {
	client.Client // with its token
	node          *corev1.Node
}

// on makes a Node, and returns its node-proxy.
func (p nodeProxies) on(base string) nodeProxy {
	p.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: p.nameLike(base)}}
	p.must(p.Create(p.Context(), node))
	p.Cleanup(func() { p.forget(node) })
	return nodeProxy{p.as(&authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}), node}
}

// forget takes a Node away with its state, for which the garbage collector may not be there yet.
func (p nodeProxies) forget(node *corev1.Node) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	clean := tidying{p.plane, p.T}
	clean.ignoring(p.Delete(ctx, node))
	clean.ignoring(p.Delete(ctx, makeNodeState(node.Name)))
}

// as is a client with a token of the node-proxies' ServiceAccount, bound to an object or, with nil, to none.
func (p nodeProxies) as(bound *authenticationv1.BoundObjectReference) client.Client {
	p.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: nodeProxyNamespace, Name: nodeProxyAccount}}
	token := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{BoundObjectRef: bound}}
	p.must(p.SubResource("token").Create(p.Context(), account, token))
	config := rest.AnonymousClientConfig(p.Cluster.Config())
	config.BearerToken = token.Status.Token
	c, err := client.New(config, client.Options{Scheme: scheme.New(), FieldOwner: "node-proxy"})
	p.must(err)
	return c
}

func makeNodeState(node string) *v1alpha1.NodePortNodeState {
	return &v1alpha1.NodePortNodeState{ObjectMeta: metav1.ObjectMeta{Name: node}}
}

// report creates the state of the node, if there is none, and writes its status, as node-proxy does.
func (p nodeProxy) report(ctx context.Context, status v1alpha1.NodePortNodeStateStatus) error {
	state := makeNodeState(p.node.Name)
	state.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: p.node.Name, UID: p.node.UID}}
	if err := p.Create(ctx, state); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	if err := p.Get(ctx, client.ObjectKey{Name: p.node.Name}, state); err != nil {
		return err
	}
	state.Status = status
	return p.Status().Update(ctx, state)
}
