// Package version is the verb version: of the plugin, and of the manager as far as that can be told.
package version

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/cli/session"
)

// patience is how long the cluster may take: the plugin's own version is what was asked for.
const patience = 5 * time.Second

// New is the verb. own is the plugin's version.
func New(s *session.Session, own string) *cobra.Command {
	var namespace string
	var alone bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of the plugin, and the manager's image",
		Long: `Print the version of the plugin, and the image that the Deployment of Portolan's
manager runs, where you may read that. Which node-proxy a node runs says
kubectl get npns -o wide.`,
		Example: `  # The plugin's alone
  kubectl portolan version --client`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVar(&alone, "client", false, "Do not ask the cluster.")
	session.ManagerNamespace(cmd.Flags(), &namespace)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		fmt.Fprintln(s.Out, "kubectl-portolan", own)
		if alone {
			return nil
		}
		image, err := imageOf(cmd.Context(), s, namespace)
		if err != nil {
			s.Remark(fmt.Sprintf("The manager's image is not known: %v", session.Explained(err)))
			return nil
		}
		fmt.Fprintln(s.Out, "manager", image)
		return nil
	}
	return cmd
}

// imageOf is what the manager's Deployment runs.
func imageOf(ctx context.Context, s *session.Session, namespace string) (string, error) {
	c, err := s.Client()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var found appsv1.Deployment
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: session.ManagerName}, &found); err != nil {
		return "", err
	}
	return told(&found)
}

// told is the image of a Deployment that has been rolled out: while it is not, others may answer.
func told(d *appsv1.Deployment) (string, error) {
	containers, status := d.Spec.Template.Spec.Containers, d.Status
	if len(containers) == 0 || status.ObservedGeneration < d.Generation || status.ReadyReplicas == 0 || status.UpdatedReplicas < status.Replicas {
		return "", fmt.Errorf("of Deployment %s in namespace %s nothing runs, or not all of it runs the same yet", d.Name, d.Namespace)
	}
	return containers[0].Image, nil
}
