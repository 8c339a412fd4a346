package conformance

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/test/proxysite"
)

// An address that the node has for a while, and the ranges of it and the second one.
const (
	third4 = "203.0.113.9"
	third6 = "2001:db8:2::9"
)

var secondOnly = []string{"203.0.113.0/24", "2001:db8:2::/64"}

func addressCame(_ context.Context, w *world) error {
	w.site.Node.Address(proxysite.NodeInterface, third4+"/32", third6+"/128")
	return nil
}

func addressWent(_ context.Context, w *world) error {
	w.site.Node.RemoveAddress(proxysite.NodeInterface, third4+"/32", third6+"/128")
	return nil
}

// anotherPrimaryAddress has the Node say that its addresses are the second ones.
func anotherPrimaryAddress(ctx context.Context, w *world) error {
	nodes := w.site.Plane.API.CoreV1().Nodes()
	node, err := nodes.Get(ctx, w.site.NodeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	node.Status.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: proxysite.SecondAddress4},
		{Type: corev1.NodeInternalIP, Address: proxysite.SecondAddress6},
	}
	_, err = nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{})
	return err
}
