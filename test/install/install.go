// Package install puts Portolan on a demo cluster as config/default would: the same manifests, with the webhooks'
// address patched, since the manager runs beside the API server and not in a Pod: in this process (Start), or as one of
// its own (StartProcess). It has the ServiceAccount's token, and no right but that account's.
//
// Likewise for config/node-proxy (ApplyNodeProxy), with a process on each node that stands in for its Pod. The DaemonSet
// makes the Pods: others with its labels it would take for its own, and delete.
package install

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portolan-dev/portolan/test/cluster"
)

const (
	// Namespace is where config/default puts Portolan.
	Namespace      = "portolan-system"
	serviceAccount = "portolan-controller-manager"
	secret         = "portolan-webhook-server-cert" //nolint:gosec // the name of a Secret, not what is in it
)

// Installation is Portolan's objects on a cluster, and where its manager is to run.
type Installation struct {
	Cluster *cluster.Cluster
	// Kubeconfig is the manager's, WebhookPort is where the API server calls it, CertDir has the certificate for that.
	Kubeconfig, CertDir string
	WebhookPort         int
	// WebhookTimeout is how many seconds the API server waits for the webhooks; 0: as long as config/default says.
	WebhookTimeout int64
	// Args are the manager's, as the Deployment has them.
	Args []string
}

// Apply applies config/default to a cluster. No manager runs yet.
func Apply(ctx context.Context, c *cluster.Cluster) (*Installation, error) {
	i, err := Prepare(c)
	if err != nil {
		return nil, err
	}
	return i, i.Apply(ctx, Checkout())
}

// Prepare is Apply that leaves it to the caller to say which version to apply.
func Prepare(c *cluster.Cluster) (*Installation, error) {
	port, err := cluster.FreePort()
	if err != nil {
		return nil, err
	}
	return &Installation{Cluster: c, WebhookPort: port, CertDir: filepath.Join(filepath.Dir(c.LogDir()), "webhook-certs")}, nil
}

// Apply applies config/default of a version, at first and, to upgrade or to roll back, over what is there. Managers that run
// go on; those that are started from then on have its arguments.
func (i *Installation) Apply(ctx context.Context, v Version) error {
	if err := applyManifests(ctx, i.Cluster, filepath.Join(v.Config, "default"), i.patch); err != nil {
		return err
	}
	if i.Kubeconfig != "" {
		return nil
	}
	if err := os.MkdirAll(i.CertDir, 0o700); err != nil {
		return err
	}
	if err := i.Cluster.MountSecret(ctx, Namespace, secret, i.CertDir); err != nil {
		return fmt.Errorf("mount secret %s: %w", secret, err)
	}
	var err error
	i.Kubeconfig, err = i.Cluster.KubeconfigFor(ctx, Namespace, serviceAccount)
	return err
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
		return i.patchWebhooks(object)
	}
	return nil
}

func (i *Installation) patchWebhooks(configuration *unstructured.Unstructured) error {
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
		webhook["clientConfig"] = map[string]any{"url": fmt.Sprintf("https://localhost:%d%s", i.WebhookPort, path)}
		if i.WebhookTimeout > 0 {
			webhook["timeoutSeconds"] = i.WebhookTimeout
		}
	}
	return unstructured.SetNestedSlice(configuration.Object, webhooks, "webhooks")
}
