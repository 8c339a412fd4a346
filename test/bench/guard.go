package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/proxysite"
)

const guardHow = `
A client outside of the cluster opens connections to a node port as in connections, to a pod of the node that was asked. The
node's proxy is kube-proxy in nftables mode. The peer is the same node in the same round without a guard: node-proxy with
--services=none is started, and its table removed, in turn. First with a NodePortAccess for the port alone, then with 1,000
besides, for a Service each. Each has 100 ranges in five lengths of prefixes, three of which are looked up before the
client's is found.`

const (
	manyPolicies    = 1000
	rangesInAPolicy = 100
	unguarded       = side("no guard")
)

// ways are the node ports that are asked.
var ways = []string{"a port that is not selected", "a port that is selected"}

// guarding is a node with a proxy, which has a guard in one half of each round.
type guarding struct {
	*nodeSite
	figures
	arise  func() (*proxysite.Proxy, error) // starts the guard
	guard  *proxysite.Proxy                 // nil: there is none
	doors  map[string]netip.AddrPort        // by way
	closed netip.AddrPort                   // where the guard refuses everybody, and without it nobody is
}

func runGuard(ctx context.Context, o options) (measured, error) {
	return withPlane(ctx, o, func(ctx context.Context, plane *proxysite.Plane, t testnet.T) (measured, error) {
		g, err := newGuarding(ctx, plane, t, o)
		if err != nil {
			return measured{}, err
		}
		defer g.end()
		for _, policies := range []int{1, manyPolicies} {
			if err := g.become(ctx, policies); err != nil {
				return measured{}, err
			}
			for i := range o.rounds {
				fmt.Fprintf(o.log, "guard: %d policies, round %d of %d\n", policies, i+1, o.rounds)
				if err := g.round(ctx, i, policies); err != nil {
					return measured{}, err
				}
			}
		}
		return g.report(), nil
	})
}

// newGuarding makes the node, its ports and its proxy. There is no guard yet.
func newGuarding(ctx context.Context, plane *proxysite.Plane, t testnet.T, o options) (*guarding, error) {
	s, err := newNodeSite(ctx, plane, t, o)
	if err != nil {
		return nil, err
	}
	g := &guarding{nodeSite: s, figures: figures{}, doors: map[string]netip.AddrPort{}}
	s.Node.Sysctl("netfilter/nf_conntrack_tcp_timeout_close", "1") // as for traffic
	if _, err := newSink(t, s.Local[0]); err != nil {
		return nil, err
	}
	for _, way := range ways {
		if g.doors[way], err = g.makeDoor(ctx, fmt.Sprint("door-", len(g.doors))); err != nil {
			return nil, err
		}
	}
	if g.closed, err = g.makeDoor(ctx, "closed"); err != nil {
		return nil, err
	}
	if g.arise, err = s.Prepare(ctx, proxysite.Command{Kind: proxysite.NodeProxy, Config: proxysite.Config{Services: "none"}}); err != nil {
		return nil, err
	}
	if err := errors.Join(g.allow(ctx, "door-1", append(rangesOf(0), "192.0.2.0/24")...), g.allow(ctx, "closed", "240.0.0.1/32")); err != nil {
		return nil, err
	}
	began := time.Now()
	if s.running, err = s.launch(proxysite.KubeProxyNFTables); err != nil {
		return nil, err
	}
	return g, s.awaitServed(ctx, g.closed, began)
}

// makeDoor makes a node port of a Service of its own, which leads to the pod's door.
func (g *guarding) makeDoor(ctx context.Context, name string) (netip.AddrPort, error) {
	svc := servicetest.MakeService(namespace+"/"+name).Label("door", name).NodePort(doorPort, 0, servicetest.Named("door")).Obj()
	svc, err := g.api.CoreV1().Services(namespace).Create(ctx, svc, metav1.CreateOptions{})
	if err != nil {
		return netip.AddrPort{}, err
	}
	slice := servicetest.MakeSlice(namespace+"/"+name, "0").Port("door", doorPort).Endpoint(g.Local[0].IPv4.String()).Obj()
	_, err = g.api.DiscoveryV1().EndpointSlices(namespace).Create(ctx, slice, metav1.CreateOptions{})
	return netip.AddrPortFrom(g.Node.IPv4, uint16(svc.Spec.Ports[0].NodePort)), err
}

// allow makes a NodePortAccess of the Service that has this label.
func (g *guarding) allow(ctx context.Context, door string, ranges ...v1alpha1.CIDR) error {
	a := &v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: door}}
	a.Spec.ServiceSelector.MatchLabels = map[string]string{"door": door}
	for _, r := range ranges {
		a.Spec.From = append(a.Spec.From, v1alpha1.AccessPeer{IPBlock: v1alpha1.IPBlock{CIDR: r}})
	}
	return g.Plane.Objects.Create(ctx, a)
}

// become makes policies, and the Services that they are for; one policy there is.
func (g *guarding) become(ctx context.Context, policies int) error {
	if policies == 1 {
		return nil
	}
	fmt.Fprintf(g.options.log, "making %d Services and policies\n", policies)
	_, err := load(ctx, populationWorkers, policies, func(ctx context.Context, i int) error {
		name := fmt.Sprint("many-", i)
		svc := servicetest.MakeService(namespace+"/"+name).Label("door", name).NodePort(doorPort, 0).Obj()
		if _, err := g.api.CoreV1().Services(namespace).Create(ctx, svc, metav1.CreateOptions{}); err != nil {
			return err
		}
		return g.allow(ctx, name, rangesOf(i)...)
	})
	if err != nil {
		return err
	}
	last, err := g.makeDoor(ctx, "last") // where it is served, the proxy has done with the others
	if err != nil {
		return err
	}
	return g.awaitServed(ctx, last, time.Now())
}

// rangesOf are those of a policy, in five lengths.
func rangesOf(policy int) []v1alpha1.CIDR {
	lengths := []int{16, 20, 24, 28, 32}
	var all []v1alpha1.CIDR
	for i := range rangesInAPolicy {
		address := plusAddress(netip.MustParseAddr("20.0.0.0"), i<<16+policy)
		all = append(all, v1alpha1.CIDR(netip.PrefixFrom(address, lengths[i%len(lengths)]).Masked().String()))
	}
	return all
}

// round measures with and without a guard, the one that comes first in turn.
func (g *guarding) round(ctx context.Context, round, policies int) error {
	halves := []func() error{
		func() error { return errors.Join(g.without(ctx), g.measure(unguarded, policies)) },
		func() error { return errors.Join(g.with(ctx), g.measure(portolan, policies)) },
	}
	return errors.Join(halves[round%2](), halves[1-round%2]())
}

// with has the node guarded.
func (g *guarding) with(ctx context.Context) (err error) {
	if g.guard == nil {
		if g.guard, err = g.arise(); err != nil {
			return err
		}
	}
	return g.await(ctx, unix.ECONNREFUSED)
}

// without has it open.
func (g *guarding) without(ctx context.Context) error {
	if g.guard != nil {
		g.guard.Kill()
		g.guard = nil
	}
	return errors.Join(g.removeTable(), g.await(ctx, nil))
}

// await returns when the closed port is answered as it is to be.
func (g *guarding) await(ctx context.Context, want error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, g.options.patience, errLate)
	defer cancel()
	return g.Client.Do(func() error {
		_, err := awaitKnock(ctx, g.closed, want, time.Now())
		return err
	})
}

func (g *guarding) measure(of side, policies int) error {
	for _, way := range ways {
		many, err := knockAll(g.Client, g.doors[way], connectWorkers)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", of, way, err)
		}
		one, err := knockAll(g.Client, g.doors[way], 1)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", of, way, err)
		}
		name := fmt.Sprintf("%s, %d", way, policies)
		g.add(name+" rate", of, many.rate())
		g.add(name+" p50", of, one.p50()*1000)
	}
	return nil
}

// end ends the proxies.
func (g *guarding) end() {
	for _, p := range []*proxysite.Proxy{g.guard, g.running} {
		if p != nil {
			p.Kill()
		}
	}
}

func (g *guarding) report() measured {
	m := measured{Notes: trafficNotes()[:1]}
	for _, policies := range []int{1, manyPolicies} {
		for _, way := range ways {
			name := fmt.Sprintf("%s, %d", way, policies)
			of := func(title, kind, unit, figure string) row {
				r := compared(fmt.Sprintf("%s, %s, %d policies", title, way, policies), unit, string(unguarded), g.figures[name+figure][portolan], g.figures[name+figure][unguarded])
				r.Kind = kind
				return r
			}
			m.Rows = append(m.Rows, of("connections/s", "connections/s", "1/s", " rate"), of("p50", "", "µs", " p50"))
		}
	}
	return m
}
