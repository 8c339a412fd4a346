// Package install puts Portolan on a demo cluster as config/default would: the same manifests, with the webhooks'
// address patched, since the manager runs beside the API server and not in a Pod: in this process (Start), or as one of
// its own (StartProcess). It has the ServiceAccount's token, and no right but that account's.
package install

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/portolan-dev/portolan/test/cluster"
)

const (
	// Namespace is where config/default puts Portolan.
	Namespace      = "portolan-system"
	serviceAccount = "portolan-controller-manager"
	secret         = "portolan-webhook-server-cert"
)

// Installation is Portolan's objects on a cluster, and where its manager is to run.
type Installation struct {
	Cluster *cluster.Cluster
	// Kubeconfig is the manager's, WebhookPort is where the API server calls it, CertDir has the certificate for that.
	Kubeconfig, CertDir string
	WebhookPort         int
	// Args are the manager's, as the Deployment has them.
	Args []string
}

// Apply applies config/default to a cluster. No manager runs yet.
func Apply(ctx context.Context, c *cluster.Cluster) (*Installation, error) {
	port, err := cluster.FreePort()
	if err != nil {
		return nil, err
	}
	kustomize := c.Kubectl(ctx, "kustomize", filepath.Join(Repository(), "config", "default"))
	var stderr bytes.Buffer
	kustomize.Stderr = &stderr
	manifests, err := kustomize.Output()
	if err != nil {
		return nil, fmt.Errorf("kubectl kustomize config/default: %w\n%s", err, &stderr)
	}
	i := &Installation{Cluster: c, WebhookPort: port, CertDir: filepath.Join(filepath.Dir(c.LogDir()), "webhook-certs")}
	patched, err := i.patch(manifests)
	if err != nil {
		return nil, err
	}
	apply := c.Kubectl(ctx, "apply", "-f", "-")
	apply.Stdin = bytes.NewReader(patched)
	if out, err := apply.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("kubectl apply -k config/default: %w\n%s", err, out)
	}
	if err := os.MkdirAll(i.CertDir, 0o700); err != nil {
		return nil, err
	}
	if err := c.MountSecret(ctx, Namespace, secret, i.CertDir); err != nil {
		return nil, fmt.Errorf("mount secret %s: %w", secret, err)
	}
	i.Kubeconfig, err = c.KubeconfigFor(ctx, Namespace, serviceAccount)
	return i, err
}

// patch leads the webhooks to the process on this machine, and has no Pods made for the Deployment, whose arguments it
// notes.
func (i *Installation) patch(manifests []byte) (_ []byte, err error) {
	var patched bytes.Buffer
	for document := range strings.SplitSeq(string(manifests), "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := utilyaml.Unmarshal([]byte(document), &object.Object); err != nil {
			return nil, err
		}
		switch object.GetKind() {
		case "Deployment":
			if i.Args, err = managerArgs(object); err != nil {
				return nil, err
			}
			if err := unstructured.SetNestedField(object.Object, int64(0), "spec", "replicas"); err != nil {
				return nil, err
			}
		case "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration":
			if err := patchAddress(object, i.WebhookPort); err != nil {
				return nil, err
			}
		}
		document, err := yaml.Marshal(object.Object)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&patched, "---\n%s", document)
	}
	return patched.Bytes(), nil
}

func patchAddress(configuration *unstructured.Unstructured, port int) error {
	webhooks, _, err := unstructured.NestedSlice(configuration.Object, "webhooks")
	if err != nil {
		return err
	}
	for _, w := range webhooks {
		webhook, ok := w.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: a webhook is no object", configuration.GetName())
		}
		path, _, err := unstructured.NestedString(webhook, "clientConfig", "service", "path")
		if err != nil {
			return err
		}
		webhook["clientConfig"] = map[string]any{"url": fmt.Sprintf("https://localhost:%d%s", port, path)}
	}
	return unstructured.SetNestedSlice(configuration.Object, webhooks, "webhooks")
}

// managerArgs are the arguments of the Deployment's one container. Of variables they use the namespace only.
func managerArgs(deployment *unstructured.Unstructured) ([]string, error) {
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	if err != nil || len(containers) != 1 {
		return nil, fmt.Errorf("deployment %s: %d containers, want 1: %w", deployment.GetName(), len(containers), err)
	}
	container, _ := containers[0].(map[string]any)
	args, _, err := unstructured.NestedStringSlice(container, "args")
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$(POD_NAMESPACE)", deployment.GetNamespace())
	}
	return args, err
}

// Repository is the root of the checkout that this file is in.
func Repository() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
