package conformance

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

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

// zoneBecame labels the node with a zone; "" is none.
func zoneBecame(zone string) change { return nodeBecame(corev1.LabelTopologyZone, zone) }

// nodeBecame labels the node; "" takes the label away.
func nodeBecame(label, value string) change {
	return func(ctx context.Context, w *world) error {
		quoted := "null"
		if value != "" {
			quoted = strconv.Quote(value)
		}
		patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%s}}}`, label, quoted)
		_, err := w.site.Plane.API.CoreV1().Nodes().Patch(ctx, w.site.NodeName, types.MergePatchType, patch, metav1.PatchOptions{})
		return err
	}
}

// nodeServes has a process of the node listen.
func nodeServes(port uint16) change {
	return func(_ context.Context, w *world) error {
		w.site.Node.Serve(port)
		return nil
	}
}

// podHas gives a pod of the node a hostPort of TCP. Namespaces get their service accounts in a moment.
func podHas(port int32) change {
	return func(ctx context.Context, w *world) error {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "with-a-host-port"},
			Spec: corev1.PodSpec{NodeName: w.site.NodeName, Containers: []corev1.Container{{
				Name: "c", Image: "example.com/c", Ports: []corev1.ContainerPort{{ContainerPort: port, HostPort: port}},
			}}},
		}
		return wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
			err := w.site.Plane.Objects.Create(ctx, pod)
			if apierrors.IsForbidden(err) {
				return false, nil
			}
			return true, err
		})
	}
}

// theClients gives the client addresses, to which the node's default route leads: it answers what the node lets through.
func theClients(addresses ...string) change {
	return func(ctx context.Context, w *world) error {
		for _, where := range addresses {
			for _, family := range []string{"IPv4", "IPv6"} {
				address, err := w.address(where, family)
				if err != nil {
					return err
				}
				w.site.Client.Address("lo", netip.PrefixFrom(address, address.BitLen()).String())
				if err := awaitAddress(ctx, w, address); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// awaitAddress returns when the client answers at its address: of IPv6 it may take a moment until it does.
func awaitAddress(ctx context.Context, w *world, address netip.Addr) error {
	return wait.PollUntilContextTimeout(ctx, time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		_, err := w.site.Client.Ask(ctx, "tcp", netip.AddrPortFrom(address, proxysite.ClientPort), patience)
		return err == nil, nil
	})
}

// anotherServiceRange makes the range that more is of one of cluster IPs.
func anotherServiceRange(ctx context.Context, w *world) error {
	_, err := w.site.Plane.API.NetworkingV1().ServiceCIDRs().Create(ctx, &networkingv1.ServiceCIDR{
		ObjectMeta: metav1.ObjectMeta{Name: w.namespace},
		Spec:       networkingv1.ServiceCIDRSpec{CIDRs: []string{"10.97.0.0/24", "fd00:97::/112"}},
	}, metav1.CreateOptions{})
	return err
}

// noOtherServiceRange returns when that range has gone, for which the controller manager takes ten seconds.
func noOtherServiceRange(ctx context.Context, w *world) error {
	ranges := w.site.Plane.API.NetworkingV1().ServiceCIDRs()
	if err := ranges.Delete(ctx, w.namespace, metav1.DeleteOptions{}); err != nil {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		_, err := ranges.Get(ctx, w.namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}
