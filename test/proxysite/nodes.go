package proxysite

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// register makes the two Node objects, and a namespace for sentinels. Nobody sends heartbeats, so they are given up after a while; a proxy does not mind.
func (s *Site) register(ctx context.Context) error {
	_, err := s.Plane.API.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}, metav1.CreateOptions{})
	return errors.Join(err,
		s.createNode(ctx, s.NodeName, Zone, s.Node, podRanges(1)),
		s.createNode(ctx, s.OtherName, OtherZone, s.Other, podRanges(2)),
	)
}

func (s *Site) createNode(ctx context.Context, name, zone string, h *testnet.Host, podRanges []string) error {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:   name,
			Labels: map[string]string{corev1.LabelHostname: name, corev1.LabelTopologyZone: zone},
		},
		Spec: corev1.NodeSpec{PodCIDR: podRanges[0], PodCIDRs: podRanges},
		Status: corev1.NodeStatus{
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: h.IPv4.String()},
				{Type: corev1.NodeInternalIP, Address: h.IPv6.String()},
				{Type: corev1.NodeHostName, Address: name},
			},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
	_, err := s.Plane.API.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	return err
}

// deregister leaves nothing of the site at the API server. What fails is left there: nobody uses its names again.
func (s *Site) deregister() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, n := range s.sentinels {
		_ = s.Plane.API.CoreV1().Services(s.namespace).Delete(ctx, n.name, metav1.DeleteOptions{})
	}
	if s.gates != nil {
		s.gates.strike(ctx)
	}
	_ = s.Plane.API.CoreV1().Namespaces().Delete(ctx, s.namespace, metav1.DeleteOptions{})
	for _, name := range []string{s.NodeName, s.OtherName} {
		_ = s.Plane.API.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{})
	}
}
