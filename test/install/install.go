// Package install puts Portolan on a demo cluster as config/default would: the same manifests, with the webhooks'
// address patched, since the manager runs beside the API server and not in a Pod: in this process (Start), or as one of
// its own (StartProcess). It has the ServiceAccount's token, and no right but that account's.
//
// Likewise for config/node-proxy (ApplyNodeProxy), with a process on each node.
package install

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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
	i := &Installation{Cluster: c, WebhookPort: port, CertDir: filepath.Join(filepath.Dir(c.LogDir()), "webhook-certs")}
	if err := applyManifests(ctx, c, filepath.Join("config", "default"), i.patch); err != nil {
		return nil, err
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
func (i *Installation) patch(object *unstructured.Unstructured) (err error) {
	switch object.GetKind() {
	case "Deployment":
		if i.Args, err = containerArgs(object); err != nil {
			return err
		}
		return unstructured.SetNestedField(object.Object, int64(0), "spec", "replicas")
	case "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration":
		return patchAddress(object, i.WebhookPort)
	}
	return nil
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

// Repository is the root of the checkout that this file is in.
func Repository() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
