package check

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/cli/session"
)

// nodeNamespace is where config/node-proxy puts node-proxy.
const nodeNamespace = "portolan-node"

// component selects node-proxy's Pods.
var component = client.MatchingLabels{"app.kubernetes.io/name": "portolan", "app.kubernetes.io/component": "node-proxy"}

// execs runs commands as kubectl exec does.
type execs struct {
	client.Client
	config *rest.Config
}

// Nodes implements runner. Who may not run commands in the Pods is told so before it is tried at each.
func (e execs) Nodes(ctx context.Context) (map[string]string, error) {
	var pods corev1.PodList
	if err := e.List(ctx, &pods, client.InNamespace(nodeNamespace), component); err != nil {
		if apierrors.IsForbidden(err) {
			return nil, forbidden("list Pods", err.Error())
		}
		return nil, fmt.Errorf("list the Pods of node-proxy: %w", err)
	}
	found := map[string]string{}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if leaving := pod.DeletionTimestamp != nil; pod.Status.Phase == corev1.PodRunning && (!leaving || found[pod.Spec.NodeName] == "") {
			found[pod.Spec.NodeName] = pod.Name
		}
	}
	return found, e.mayExec(ctx)
}

// mayExec asks whether the caller may run commands: a refusal of exec itself comes without its reason, as text.
func (e execs) mayExec(ctx context.Context) error {
	allowed, reason, err := session.May(ctx, e.Client,
		authorizationv1.ResourceAttributes{Namespace: nodeNamespace, Verb: "create", Resource: "pods", Subresource: "exec"})
	if err == nil && !allowed {
		err = forbidden("create pods/exec", reason)
	}
	return err
}

// forbidden says what --from-nodes takes, and which of it the caller may not, in whose words.
func forbidden(what, reason string) error {
	if reason != "" {
		reason = " (" + reason + ")"
	}
	return fmt.Errorf("--from-nodes takes the rights to list Pods and to create pods/exec in namespace %s, and you may not %s there%s: "+
		"ask for them, or leave --from-nodes out to connect from here alone", nodeNamespace, what, reason)
}

// Run implements runner, over a WebSocket where the API server has that, else over SPDY.
func (e execs) Run(ctx context.Context, pod string, input []byte, command ...string) ([]byte, error) {
	set, err := kubernetes.NewForConfig(e.config)
	if err != nil {
		return nil, err
	}
	url := set.CoreV1().RESTClient().Post().Resource("pods").Namespace(nodeNamespace).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: "node-proxy", Command: command, Stdin: true, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	websocket, err := remotecommand.NewWebSocketExecutor(e.config, "GET", url.String())
	if err != nil {
		return nil, err
	}
	spdy, err := remotecommand.NewSPDYExecutor(e.config, "POST", url)
	if err != nil {
		return nil, err
	}
	executor, err := remotecommand.NewFallbackExecutor(websocket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return nil, err
	}
	var out, errOut bytes.Buffer
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: bytes.NewReader(input), Stdout: &out, Stderr: &errOut})
	if said := strings.TrimSpace(errOut.String()); err != nil && said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return out.Bytes(), err
}
