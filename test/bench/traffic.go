package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/proxysite"
)

// directly is the peer without a proxy: the pod's own address.
const directly side = "pod's address"

// place is where a pod is.
type place string

const (
	here  place = "a pod of the node"
	there place = "a pod of another node"
)

var places = []place{here, there}

// traffic is a node for each kind of proxy, side by side and alike, with a node port for a pod of each place. Packets are
// sent through one of them at a time, so proxies need not be started anew each time.
type traffic struct {
	options options
	nodes   map[proxysite.Kind]*nodeSite
	sinks   map[proxysite.Kind]map[place]*sink
	ports   map[place]nodePorts
	figures
	race
}

// firstOfTraffic is the first of its node ports. A population has other numbers.
const firstOfTraffic = 39000

// nodePorts lead to those of a pod's sink.
type nodePorts struct{ bytes, door uint16 }

func newTraffic(ctx context.Context, plane *proxysite.Plane, t testnet.T, o options) (*traffic, error) {
	tr := &traffic{
		options: o, figures: figures{}, race: race{options: o},
		nodes: map[proxysite.Kind]*nodeSite{}, sinks: map[proxysite.Kind]map[place]*sink{}, ports: map[place]nodePorts{},
	}
	for _, kind := range turns(0, o) {
		s, err := newNodeSite(ctx, plane, t, o)
		if err != nil {
			return nil, err
		}
		// Many connections are made and reset. Where the node masquerades, each keeps a port for ten seconds otherwise.
		s.Node.Sysctl("netfilter/nf_conntrack_tcp_timeout_close", "1")
		tr.nodes[kind], tr.sinks[kind] = s, map[place]*sink{}
		for _, at := range places {
			if tr.sinks[kind][at], err = newSink(t, podAt(s, at)); err != nil {
				return nil, err
			}
		}
	}
	return tr, tr.makeServices(ctx)
}

func podAt(s *nodeSite, at place) *testnet.Host {
	if at == here {
		return s.Local[0]
	}
	return s.Remote[0]
}

// makeServices makes a node port for each place. The pods of all sites have the same addresses.
func (tr *traffic) makeServices(ctx context.Context) error {
	s := tr.nodes[proxysite.NodeProxy]
	for i, at := range places {
		name := fmt.Sprintf("%s/traffic-%d", namespace, i)
		bytes, door := int32(firstOfTraffic+2*i), int32(firstOfTraffic+2*i+1)
		svc := servicetest.MakeService(name).
			NodePort(bytesPort, bytes, servicetest.Named("bytes")).
			NodePort(bytesPort, bytes, servicetest.Named("datagrams"), servicetest.UDP).
			NodePort(doorPort, door, servicetest.Named("door")).Obj()
		if _, err := s.api.CoreV1().Services(namespace).Create(ctx, svc, metav1.CreateOptions{}); err != nil {
			return err
		}
		slice := servicetest.MakeSlice(name, "0").
			Port("bytes", bytesPort).Port("datagrams", bytesPort, servicetest.UDP).Port("door", doorPort).
			Endpoint(podAt(s, at).IPv4.String()).Obj()
		if _, err := s.api.DiscoveryV1().EndpointSlices(namespace).Create(ctx, slice, metav1.CreateOptions{}); err != nil {
			return err
		}
		tr.ports[at] = nodePorts{bytes: uint16(bytes), door: uint16(door)}
	}
	return nil
}

// become makes a population, and waits until all proxies are in step with it. It starts them the first time.
func (tr *traffic) become(ctx context.Context, size shape) error {
	fmt.Fprintf(tr.options.log, "making %s endpoints\n", size)
	first := tr.nodes[proxysite.NodeProxy]
	if err := first.become(ctx, size); err != nil {
		return err
	}
	for _, kind := range turns(0, tr.options) {
		s := tr.nodes[kind]
		began := time.Now()
		if s.running == nil {
			p, err := s.launch(kind)
			if err != nil {
				return err
			}
			s.running = p
		}
		if err := s.awaitServed(ctx, first.frontends[size.services-1], began); err != nil {
			return fmt.Errorf("%s: %w; the end of its log:\n%s", kind, err, s.running.Log())
		}
	}
	return nil
}

// path is the way of packets from a client to a pod's sink.
type path struct {
	of          side
	at          place
	client      *testnet.Host
	bytes, door netip.AddrPort
	sink        *sink
}

// each measures the paths of all proxies, and that to the pod's address, in turn, for each place.
func (tr *traffic) each(round int, measure func(path) error) error {
	for _, at := range places {
		for _, kind := range turns(round, tr.options) {
			s := tr.nodes[kind]
			paths := []path{tr.path(kind, at, sides[kind], s.Node.IPv4, tr.ports[at])}
			if kind == proxysite.NodeProxy {
				paths = append(paths, tr.path(kind, at, directly, podAt(s, at).IPv4, nodePorts{bytes: bytesPort, door: doorPort}))
			}
			for _, p := range paths {
				if err := measure(p); err != nil {
					return fmt.Errorf("%s, %s: %w", at, p.of, err)
				}
			}
		}
	}
	return nil
}

func (tr *traffic) path(kind proxysite.Kind, at place, of side, to netip.Addr, ports nodePorts) path {
	return path{
		of: of, at: at, client: tr.nodes[kind].Client, sink: tr.sinks[kind][at],
		bytes: netip.AddrPortFrom(to, ports.bytes), door: netip.AddrPortFrom(to, ports.door),
	}
}

// end ends the proxies.
func (tr *traffic) end() {
	for _, s := range tr.nodes {
		if s.running != nil {
			s.running.Kill()
		}
	}
}

// against are a figure's rows: against each peer, and against the pod's address.
func (tr *traffic) against(title, kind, unit, figure string) []row {
	of := tr.figures[figure]
	direct := compared(title, unit, string(directly), of[portolan], of[directly])
	return append(tr.againstPeers(title, kind, unit, figure), direct)
}
