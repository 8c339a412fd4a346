// Package clusterrange learns which node ports the API server allocates.
//
// The range is a flag of the API server that no API shows. But a Service with an impossible number is always
// refused, with the valid range in the message. A dry-run would not do: it skips that check.
package clusterrange

import (
	"context"
	"fmt"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
)

// +kubebuilder:rbac:groups="",resources=services,verbs=create,namespace=system

// validPorts finds the range in "The range of valid ports is 30000-32767".
var validPorts = regexp.MustCompile(`range of valid ports is (\d+-\d+)`)

// Discover asks the API server for its node port range, by the creation of a Service that it must refuse. The
// Service would be made in namespace; admission webhooks of our own must not see it.
func Discover(ctx context.Context, c client.Client, namespace string) (v1alpha1.PortRange, error) {
	impossible := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "portolan-range-discovery"},
		Spec: corev1.ServiceSpec{
			Type:  corev1.ServiceTypeNodePort,
			Ports: []corev1.ServicePort{{Port: 1, NodePort: -1}},
		},
	}
	err := c.Create(ctx, impossible)
	if err == nil {
		return v1alpha1.PortRange{}, fmt.Errorf("the API server took Service %s/%s with nodePort -1: delete it, and set --service-node-port-range",
			namespace, impossible.Name)
	}
	found := validPorts.FindStringSubmatch(err.Error())
	if !apierrors.IsInvalid(err) || found == nil {
		return v1alpha1.PortRange{}, fmt.Errorf("learn the node port range (or set --service-node-port-range): %w", err)
	}
	return rules.ParseRange(found[1])
}
