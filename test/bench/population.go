package main

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"

	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/proxysite"
)

// A population is many Services with endpoints as a cluster has them, written straight to the API server: no controller
// makes anything of them. All are TCP, every tenth has a node port. One endpoint of a hundred is on the node that is
// measured.

const (
	// endpointRange has the addresses of all endpoints; see nodeSite.
	endpointRange  = "10.128.0.0/11"
	firstNodePort  = 30000
	portOfServices = 80

	populationWorkers  = 32
	endpointsInASlice  = 100 // as the controller makes them
	nodePortEach       = 10
	endpointOnNodeEach = 100
)

// shape is how many Services a population has, with how many endpoints each.
type shape struct{ services, endpoints int }

func (s shape) String() string { return fmt.Sprintf("%d x %d", s.services, s.endpoints) }

type population struct {
	api kubernetes.Interface
	// node is the name of the node that is measured.
	node string
	shape
	// frontends are where each Service is served.
	frontends []netip.AddrPort
}

// become makes or deletes what a shape lacks or has too much. A population without Services has no shape yet.
func (p *population) become(ctx context.Context, to shape) error {
	if p.endpoints != to.endpoints {
		if err := p.shrink(ctx, 0); err != nil {
			return err
		}
		p.endpoints = to.endpoints
	}
	if err := p.shrink(ctx, min(p.services, to.services)); err != nil {
		return err
	}
	from := p.services
	p.services = to.services
	p.frontends = append(p.frontends, make([]netip.AddrPort, to.services-from)...)
	_, err := load(ctx, populationWorkers, to.services-from, func(ctx context.Context, i int) error { return p.create(ctx, from+i) })
	return err
}

func (p *population) shrink(ctx context.Context, to int) error {
	_, err := load(ctx, populationWorkers, p.services-to, func(ctx context.Context, i int) error { return p.delete(ctx, to+i) })
	p.services, p.frontends = to, p.frontends[:to]
	return err
}

func (p *population) create(ctx context.Context, i int) error {
	svc, err := p.api.CoreV1().Services(namespace).Create(ctx, populated(i), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	p.frontends[i] = netip.AddrPortFrom(netip.MustParseAddr(svc.Spec.ClusterIP), portOfServices)
	for _, slice := range p.slices(i) {
		if _, err := p.api.DiscoveryV1().EndpointSlices(namespace).Create(ctx, slice, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

func (p *population) delete(ctx context.Context, i int) error {
	if err := p.api.CoreV1().Services(namespace).Delete(ctx, serviceName(i), metav1.DeleteOptions{}); err != nil {
		return err
	}
	return p.api.DiscoveryV1().EndpointSlices(namespace).DeleteCollection(ctx, metav1.DeleteOptions{},
		metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + serviceName(i)})
}

func populated(i int) *corev1.Service {
	svc := servicetest.MakeService(namespace + "/" + serviceName(i))
	if i%nodePortEach == 0 {
		return svc.NodePort(portOfServices, int32(nodePortOf(i)), servicetest.Named("http"), servicetest.Target(proxysite.PodPort)).Obj()
	}
	return svc.Port(portOfServices, servicetest.Named("http"), servicetest.Target(proxysite.PodPort)).Obj()
}

// nodePortOf is the node port of every tenth Service.
func nodePortOf(i int) uint16 { return uint16(firstNodePort + i/nodePortEach) }

// slices are those of Service i.
func (p *population) slices(i int) []*discoveryv1.EndpointSlice {
	var all []*discoveryv1.EndpointSlice
	for first := 0; first < p.endpoints; first += endpointsInASlice {
		s := servicetest.MakeSlice(namespace+"/"+serviceName(i), fmt.Sprint(first/endpointsInASlice)).Port("http", proxysite.PodPort)
		for k := first; k < min(first+endpointsInASlice, p.endpoints); k++ {
			p.addEndpoint(s, i*p.endpoints+k)
		}
		all = append(all, s.Obj())
	}
	return all
}

// addEndpoint adds what a pod with this number of all is as an endpoint.
func (p *population) addEndpoint(s *servicetest.Slice, number int) {
	node := fmt.Sprint("other-node-", number%endpointOnNodeEach)
	if number%endpointOnNodeEach == 0 {
		node = p.node
	}
	s.Endpoint(endpointAddress(number).String(), servicetest.OnNode(node), func(e *discoveryv1.Endpoint) {
		e.TargetRef = &corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: fmt.Sprint("pod-", number), UID: podUID}
	})
}

// podUID is as long as any.
var podUID types.UID = uuid.NewUUID()

// endpointAddress is that of the pod with this number of all.
func endpointAddress(number int) netip.Addr {
	return plusAddress(netip.MustParsePrefix(endpointRange).Addr(), number+1)
}

// plusAddress is the n-th address after an IPv4 one.
func plusAddress(address netip.Addr, n int) netip.Addr {
	b := address.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]) + uint32(n)
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}
