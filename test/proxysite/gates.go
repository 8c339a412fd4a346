package proxysite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// A guard goes by several kinds of objects, which it watches apart. So there is a gate for each: a node port that a change
// of an object of this kind shuts and another opens again, after everything else. Where the client sees both, the guard
// enforces all that was written before. Gates are open but for the time that takes.
type gates struct {
	*rounds
	site  *Site
	gates []gate
}

// gate is a node port, and merge patches of an object that shut and open it.
type gate struct {
	port       uint16
	object     client.Object
	shut, open string
}

const (
	gateAccess  = "gate-access"  // a port, and the NodePortAccess that shuts it
	gatePool    = "gate-pool"    // a port
	gateService = "gate-service" // a Service, and the NodePortAccess that shuts it while it is labelled
	gateLabel   = "gate"
)

// nobody and everybody are sources in an object of a gate.
const (
	nobody    = `[{"ipBlock":{"cidr":"240.0.0.1/32"}}]`
	everybody = `[{"ipBlock":{"cidr":"0.0.0.0/0"}}]`
)

// AwaitGuard returns when the node has a guard that is in step, and has InStep and Settled wait for that too from then on.
// A proxy that serves Services without a label must run. To be called once.
func (s *Site) AwaitGuard(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*patience)
	defer cancel()
	g := &gates{rounds: newRounds(), site: s}
	if err := g.raise(ctx); err != nil {
		return fmt.Errorf("raising the gates: %w", err)
	}
	// Open at first: a port that nobody serves yet is not to be taken for one that is shut.
	if err := s.Client.Do(func() error { return g.awaitAll(ctx, nil) }); err != nil {
		return err
	}
	s.mu.Lock()
	s.gates = g
	s.mu.Unlock()
	return s.InStep(ctx)
}

// raise makes the gates, open.
func (g *gates) raise(ctx context.Context) error {
	ports, err := g.serve(ctx, gateAccess, gateAccess, gatePool)
	if err != nil {
		return err
	}
	labelled, err := g.serve(ctx, gateService, gateService)
	if err != nil {
		return err
	}
	objects := []client.Object{
		g.access(gateAccess, nil, gateAccess),
		&v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: g.poolName()}, Spec: v1alpha1.NodePortPoolSpec{
			Ranges: []v1alpha1.PortRange{{From: int32(ports[1]), To: int32(ports[1])}}, Allocation: v1alpha1.AllocationNone}},
		g.access(gateService, map[string]string{gateLabel: "shut"}),
	}
	for _, o := range objects {
		if err := g.site.Plane.Objects.Create(ctx, o); err != nil {
			return err
		}
	}
	sources := func(format string) (shut, open string) {
		return fmt.Sprintf(format, nobody), fmt.Sprintf(format, everybody)
	}
	shutAccess, openAccess := sources(`{"spec":{"from":%s}}`)
	shutPool, openPool := sources(`{"spec":{"access":{"from":%s}}}`)
	g.gates = []gate{
		{ports[0], objects[0], shutAccess, openAccess},
		{ports[1], objects[1], shutPool, openPool},
		{labelled[0], &corev1.Service{ObjectMeta: g.meta(gateService)}, `{"metadata":{"labels":{"gate":"shut"}}}`, `{"metadata":{"labels":{"gate":"open"}}}`},
	}
	return nil
}

func (g *gates) poolName() string { return "gate-" + g.site.NodeName }

func (g *gates) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: g.site.namespace, Name: name}
}

// access selects ports of Services by labels; the one that has ports lets everybody in, the other nobody.
func (g *gates) access(name string, labels map[string]string, ports ...string) *v1alpha1.NodePortAccess {
	a := &v1alpha1.NodePortAccess{ObjectMeta: g.meta(name)}
	a.Spec.ServiceSelector.MatchLabels, a.Spec.Ports = labels, ports
	if ports == nil {
		a.Spec.From = []v1alpha1.AccessPeer{{IPBlock: v1alpha1.IPBlock{CIDR: "240.0.0.1/32"}}}
	}
	return a
}

// serve makes a Service with node ports of these names, which the first pod serves.
func (g *gates) serve(ctx context.Context, name string, ports ...string) (numbers []uint16, err error) {
	svc := &corev1.Service{ObjectMeta: g.meta(name), Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort}}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: g.meta(name), AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{g.site.Local[0].IPv4.String()}}},
	}
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: name}
	for i, port := range ports {
		svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: port, Port: int32(80 + i), TargetPort: intstr.FromInt32(PodPort)})
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &port, Port: new(int32(PodPort)), Protocol: new(corev1.ProtocolTCP)})
	}
	if err := errors.Join(g.site.Plane.Objects.Create(ctx, svc), g.site.Plane.Objects.Create(ctx, slice)); err != nil {
		return nil, err
	}
	for _, p := range svc.Spec.Ports {
		numbers = append(numbers, uint16(p.NodePort))
	}
	return numbers, nil
}

// make makes a round.
func (g *gates) make(ctx context.Context) error {
	for _, p := range g.gates {
		if err := g.patch(ctx, p, p.shut); err != nil {
			return err
		}
	}
	if err := g.site.Client.Do(func() error { return g.awaitAll(ctx, unix.ECONNREFUSED) }); err != nil {
		return err
	}
	for _, p := range g.gates {
		if err := g.patch(ctx, p, p.open); err != nil {
			return err
		}
	}
	return g.site.Client.Do(func() error { return g.awaitAll(ctx, nil) })
}

func (g *gates) patch(ctx context.Context, p gate, patch string) error {
	return g.site.Plane.Objects.Patch(ctx, p.object.DeepCopyObject().(client.Object), client.RawPatch(types.MergePatchType, []byte(patch)))
}

var errAnswered = errors.New("it was answered")

// awaitAll asks, from the thread that it is called on, until each gate gives the answer.
func (g *gates) awaitAll(ctx context.Context, want error) error {
	for _, p := range g.gates {
		to := netip.AddrPortFrom(g.site.Node.IPv4, p.port)
		for {
			_, err := testnet.Ask(ctx, "tcp", to, time.Second)
			if errors.Is(err, want) {
				break
			}
			if ctx.Err() != nil {
				wanted := cmp.Or(want, errAnswered).Error()
				return fmt.Errorf("the guard does not follow: %s is to be answered with %q: %w", p.object.GetName(), wanted, cmp.Or(err, errAnswered))
			}
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// strike removes what is left of the gates outside of the site's namespace.
func (g *gates) strike(ctx context.Context) {
	for _, p := range g.gates {
		_ = g.site.Plane.Objects.Delete(ctx, p.object.DeepCopyObject().(client.Object))
	}
	_ = g.site.Plane.API.CoreV1().Services(g.site.namespace).Delete(ctx, gateAccess, metav1.DeleteOptions{})
}
