package main

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
)

// Services have no selector: no controller makes EndpointSlices for them meanwhile, which would hide some of what
// Portolan costs.

func serviceName(i int) string { return fmt.Sprintf("s-%d", i) }

func newService(kind corev1.ServiceType, i int) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: serviceName(i), Namespace: namespace},
		Spec:       corev1.ServiceSpec{Type: kind, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
}

// create makes Service i of a type; errDone where no number is free.
func (s *site) create(kind corev1.ServiceType) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		_, err := s.services.CoreV1().Services(namespace).Create(ctx, newService(kind, i), metav1.CreateOptions{})
		if isFull(err) {
			return errDone
		}
		return err
	}
}

// isFull knows Kubernetes' words, and ours.
func isFull(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "range is full") || strings.Contains(err.Error(), "no node port is free"))
}

func (s *site) delete(ctx context.Context, i int) error {
	return s.services.CoreV1().Services(namespace).Delete(ctx, serviceName(i), metav1.DeleteOptions{})
}

// relabel changes a label; no number is concerned.
func (s *site) relabel(ctx context.Context, i int) error {
	return s.patch(ctx, i, `{"metadata":{"labels":{"changed":"yes"}}}`)
}

// addPort adds a port, and so a number where the Service has one.
func (s *site) addPort(ctx context.Context, i int) error {
	return s.patch(ctx, i, `{"spec":{"ports":[{"name":"https","port":443,"protocol":"TCP"}]}}`)
}

func (s *site) patch(ctx context.Context, i int, patch string) error {
	_, err := s.services.CoreV1().Services(namespace).Patch(ctx, serviceName(i), types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	return err
}

// refused asks for a number that a Service has. Not to be refused is an error.
func (s *site) refused(taken int32) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		svc := newService(corev1.ServiceTypeNodePort, i)
		svc.Name = "late-" + svc.Name
		svc.Spec.Ports[0].NodePort = taken
		_, err := s.services.CoreV1().Services(namespace).Create(ctx, svc, metav1.CreateOptions{})
		if apierrors.IsInvalid(err) {
			return nil
		}
		return fmt.Errorf("asked for taken number %d: expected a refusal: %w", taken, err)
	}
}

// claim is a bare claim create: what the least that Portolan adds costs.
func (s *site) claim(ctx context.Context, i int) error {
	a := &v1alpha1.NodePortAllocation{}
	a.Name = allocator.NameOf(s.numbers.From + int32(i))
	now := metav1.NowMicro()
	a.Spec = v1alpha1.NodePortAllocationSpec{
		PoolName: pool, Origin: v1alpha1.OriginAutomatic, Role: v1alpha1.RoleTraffic, ClaimTime: &now,
		ServiceRef: v1alpha1.ServiceReference{Namespace: namespace, Name: serviceName(i)},
		Ports:      []v1alpha1.AllocatedPort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}},
	}
	return s.claims.Create(ctx, a)
}

func (s *site) dropClaims(ctx context.Context) error {
	return s.admin.DeleteAllOf(ctx, &v1alpha1.NodePortAllocation{}, &client.DeleteAllOfOptions{})
}
