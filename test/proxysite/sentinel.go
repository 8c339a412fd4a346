package proxysite

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	discoveryclient "k8s.io/client-go/kubernetes/typed/discovery/v1"
	"k8s.io/client-go/util/retry"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// The sentinel is a Service that is changed after everything else: where the node sees the change, the proxy has
// programmed all that was written before. A proxy watches Services and EndpointSlices apart, and programs each family
// apart, so each change is one of the Service (it has another port) and of both slices (another pod serves it).

const (
	sentinelPorts = 20000 // a change is a port more than the last; they begin anew before they leave the range
	manyChanges   = 40000
)

// sentinel is one that proxies for a label's Services serve.
type sentinel struct {
	site        *Site
	name, label string // label is the value of v1alpha1.ServiceProxyNameLabel; "": it has none
	addresses   []netip.Addr

	*rounds
	changes int // of the round that is made
}

// raiseSentinel makes the sentinel of a label, unless the site has it.
func (s *Site) raiseSentinel(ctx context.Context, label string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.sentinels, func(n *sentinel) bool { return n.label == label }) {
		return nil
	}
	n := &sentinel{site: s, name: "sentinel" + label, label: label, rounds: newRounds()}
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: n.name, Labels: n.labels()},
		Spec:       corev1.ServiceSpec{IPFamilyPolicy: new(corev1.IPFamilyPolicyRequireDualStack), Ports: n.ports()},
	}
	svc, err := s.Plane.API.CoreV1().Services(s.namespace).Create(ctx, svc, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	for _, ip := range svc.Spec.ClusterIPs {
		n.addresses = append(n.addresses, netip.MustParseAddr(ip))
	}
	for _, address := range n.addresses {
		if _, err := n.slices().Create(ctx, n.slice(address), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	s.sentinels = append(s.sentinels, n)
	return nil
}

func (n *sentinel) slices() discoveryclient.EndpointSliceInterface {
	return n.site.Plane.API.DiscoveryV1().EndpointSlices(n.site.namespace)
}

func (n *sentinel) labels() map[string]string {
	if n.label == "" {
		return nil
	}
	return map[string]string{v1alpha1.ServiceProxyNameLabel: n.label}
}

func (n *sentinel) port() uint16 { return sentinelPorts + uint16(n.changes%manyChanges) }

func (n *sentinel) pod() *testnet.Host { return n.site.Local[n.changes%2] }

func (n *sentinel) ports() []corev1.ServicePort {
	return []corev1.ServicePort{{Port: int32(n.port()), TargetPort: intstr.FromInt32(PodPort)}}
}

// slice is the one of the address's family.
func (n *sentinel) slice(address netip.Addr) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Name:   n.name + "-ipv4",
			Labels: map[string]string{discoveryv1.LabelServiceName: n.name},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{n.pod().AddressLike(address).String()}}},
		Ports:       []discoveryv1.EndpointPort{{Name: new(""), Port: new(int32(PodPort)), Protocol: new(corev1.ProtocolTCP)}},
	}
	if address.Is6() {
		slice.Name, slice.AddressType = n.name+"-ipv6", discoveryv1.AddressTypeIPv6
	}
	return slice
}

// InStep returns when the proxies that have been started have programmed everything that was written to the API server
// before the call.
func (s *Site) InStep(ctx context.Context) error {
	s.mu.Lock()
	sentinels, gates := slices.Clone(s.sentinels), s.gates
	s.mu.Unlock()
	var errs []error
	for _, n := range sentinels {
		errs = append(errs, n.await(ctx, n.make))
	}
	if gates != nil {
		errs = append(errs, gates.await(ctx, gates.make))
	}
	return errors.Join(errs...)
}

// looking is how long a proxy may take to look at the entries of the connection tracker once it has programmed something.
// Nothing outside of it says when it has: ours does so beside its next change.
const looking = 500 * time.Millisecond

// Settled is InStep, and what a proxy does after it has programmed something (it removes entries of the connection
// tracker) is done too.
func (s *Site) Settled(ctx context.Context) error {
	err := errors.Join(s.InStep(ctx), s.InStep(ctx))
	select {
	case <-time.After(looking):
	case <-ctx.Done():
	}
	return err
}

// make makes a round.
func (n *sentinel) make(ctx context.Context) error {
	if err := n.change(ctx); err != nil {
		return err
	}
	return n.site.Node.Do(func() error { return n.awaitAnswers(ctx) })
}

func (n *sentinel) change(ctx context.Context) error {
	n.changes++
	if err := retry.RetryOnConflict(retry.DefaultRetry, func() error { return n.changeService(ctx) }); err != nil {
		return fmt.Errorf("changing the sentinel: %w", err)
	}
	for _, address := range n.addresses {
		if _, err := n.slices().Update(ctx, n.slice(address), metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("changing the sentinel's slice: %w", err)
		}
	}
	return nil
}

func (n *sentinel) changeService(ctx context.Context) error {
	services := n.site.Plane.API.CoreV1().Services(n.site.namespace)
	svc, err := services.Get(ctx, n.name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	svc.Spec.Ports = n.ports()
	_, err = services.Update(ctx, svc, metav1.UpdateOptions{})
	return err
}

// awaitAnswers asks, from the thread that it is called on, until the change is seen in both families. Some proxies leave
// a port that they do not know yet without an answer, so it asks briefly at first.
func (n *sentinel) awaitAnswers(ctx context.Context) error {
	for _, address := range n.addresses {
		timeout := 10 * time.Millisecond
		for {
			echo, err := testnet.Ask(ctx, "tcp", netip.AddrPortFrom(address, n.port()), timeout)
			if err == nil && echo.Host == n.pod().Name {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("the proxy does not follow: port %d of %s is not served by %s: %w", n.port(), address, n.pod().Name, err)
			}
			timeout = min(timeout*5/4, time.Second)
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}
