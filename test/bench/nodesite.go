package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/proxysite"
)

// defaultMinSyncPeriod is kube-proxy's: how long it waits at least from one sync to the next.
const defaultMinSyncPeriod = time.Second

// nodeSite is a node with a population. Every endpoint answers: the last of the remote pods has all their addresses.
type nodeSite struct {
	*proxysite.Site
	options options
	population
	launches map[proxysite.Kind]func() (*proxysite.Proxy, error)
	running  *proxysite.Proxy // where a benchmark keeps one
}

// withPlane runs a benchmark with a control plane of its own. Without the right to it, there is nothing measured.
func withPlane(ctx context.Context, o options, run func(context.Context, *proxysite.Plane, testnet.T) (measured, error)) (m measured, err error) {
	plane, err := proxysite.StartPlane(ctx, cluster.Options{ServiceNodePortRange: "30000-40000", Log: o.log})
	if err != nil {
		return measured{}, err
	}
	defer plane.Stop()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if _, err := plane.API.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
		return measured{}, err
	}
	err = testnet.Run(func(t testnet.T) (err error) {
		m, err = run(ctx, plane, t)
		return err
	})
	return m, err
}

// newNodeSite makes a node. There may be several; what they know of Services is one population.
func newNodeSite(ctx context.Context, plane *proxysite.Plane, t testnet.T, o options) (*nodeSite, error) {
	config := plane.Config()
	config.ContentType = runtime.ContentTypeProtobuf
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	s := &nodeSite{Site: plane.NewSite(ctx, t), options: o, launches: map[proxysite.Kind]func() (*proxysite.Proxy, error){}}
	s.population = population{api: api, node: s.NodeName}
	farm := s.farm()
	farm.Own(endpointRange)
	s.Node.Route(s.Other.IPv4.String(), endpointRange)
	s.Other.Route(farm.IPv4.String(), endpointRange)
	return s, s.prepare(ctx)
}

// farm is the pod that answers for the endpoints of the population.
func (s *nodeSite) farm() *testnet.Host { return s.Remote[len(s.Remote)-1] }

// launch starts a proxy as users have it and does not wait for it.
func (s *nodeSite) launch(kind proxysite.Kind) (*proxysite.Proxy, error) { return s.launches[kind]() }

// prepare does what launch needs and is not to be measured.
func (s *nodeSite) prepare(ctx context.Context) error {
	for _, kind := range proxysite.Kinds {
		c := proxysite.Command{Kind: kind, Config: proxysite.Config{MinSyncPeriod: defaultMinSyncPeriod}}
		var err error
		if s.launches[kind], err = s.Prepare(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// removeTable leaves nothing of node-proxy in the node's kernel. It may not run.
func (s *nodeSite) removeTable() error {
	return s.Node.Do(func() error {
		kernel, err := nft.Open()
		if err != nil {
			return err
		}
		return errors.Join(kernel.Remove(), kernel.Close())
	})
}

// wipe leaves nothing of any proxy in the node's kernel. None may run.
func (s *nodeSite) wipe() error {
	if err := s.removeTable(); err != nil {
		return err
	}
	return s.Node.Do(func() error {
		if out, err := exec.Command("nft", "flush", "ruleset").CombinedOutput(); err != nil {
			return fmt.Errorf("nft flush ruleset: %w: %s", err, bytes.TrimSpace(out))
		}
		return nil
	})
}

// trial is one node on which each kind of proxy is measured in turn.
type trial struct {
	*nodeSite
	race
	figures
}

// runTrial measures with a control plane and a node of their own.
func runTrial(ctx context.Context, o options, measure func(context.Context, *trial) (measured, error)) (measured, error) {
	return withPlane(ctx, o, func(ctx context.Context, plane *proxysite.Plane, t testnet.T) (measured, error) {
		s, err := newNodeSite(ctx, plane, t, o)
		if err != nil {
			return measured{}, err
		}
		return measure(ctx, &trial{nodeSite: s, race: race{options: o}, figures: figures{}})
	})
}

// size makes a population, and has once measure each kind of proxy with it.
func (tr *trial) size(ctx context.Context, size shape, once func(proxysite.Kind) error) error {
	fmt.Fprintf(tr.race.options.log, "making %s endpoints\n", size)
	if err := tr.become(ctx, size); err != nil {
		return err
	}
	if err := tr.race.run(size, once); err != nil {
		return fmt.Errorf("%s: %w", size, err)
	}
	return nil
}

// awaitServed returns when a Service takes connections from the node, or with errLate.
func (s *nodeSite) awaitServed(ctx context.Context, at netip.AddrPort, since time.Time) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.patience, errLate)
	defer cancel()
	return s.Node.Do(func() error {
		_, err := awaitKnock(ctx, at, nil, since)
		return err
	})
}

// watched is a context that ends with the proxy.
func watched(ctx context.Context, p *proxysite.Proxy) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-p.Done():
			cancel(fmt.Errorf("the proxy has ended: %s", p.State()))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}
