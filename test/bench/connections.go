package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
	"github.com/portolan-dev/portolan/test/proxysite"
)

const connectionsHow = `
A client outside of the cluster opens connections to a node port over TCP, by four workers for the rate and by one for the
latency, and resets each as soon as it is there. The pod is one of the node that was asked, or one of another node; the
node masquerades, as it does by default. Beside kube-proxy, the peer is the pod's own address, which the node just
forwards. There is a node for each proxy, and they are alike; packets go through one of them at a time.`

const (
	connectFor     = time.Second // a round, each
	connectWorkers = 4
	// connectPatience has room for a first packet that is sent again: then it shows in the p99.
	connectPatience = 5 * time.Second
)

func runConnections(ctx context.Context, o options) (measured, error) {
	return withPlane(ctx, o, func(ctx context.Context, plane *proxysite.Plane, t testnet.T) (measured, error) {
		tr, err := newTraffic(ctx, plane, t, o)
		if err != nil {
			return measured{}, err
		}
		defer tr.end()
		sizes := fewAndMany(o)
		for _, n := range sizes {
			if err := tr.become(ctx, shape{n, 2}); err != nil {
				return measured{}, err
			}
			for i := range o.rounds {
				fmt.Fprintf(o.log, "connections: %d Services, round %d of %d\n", n, i+1, o.rounds)
				if err := tr.each(i, func(p path) error { return tr.connect(p, n) }); err != nil {
					return measured{}, err
				}
			}
		}
		return tr.connectionsReport(sizes), nil
	})
}

// fewAndMany are the fewest Services, and the most with which peers are measured in each round.
func fewAndMany(o options) []int {
	few, many := o.services[0], o.services[0]
	for _, n := range o.services {
		if n <= o.peerServices {
			many = n
		}
	}
	return slices.Compact([]int{few, many})
}

func (tr *traffic) connect(p path, services int) error {
	many, err := knockAll(p.client, p.door, connectWorkers)
	if err != nil {
		return err
	}
	one, err := knockAll(p.client, p.door, 1)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%d %s", services, p.at)
	tr.add(name+" rate", p.of, many.rate())
	tr.add(name+" p50", p.of, one.p50()*1000)
	tr.add(name+" p99", p.of, one.p99()*1000)
	return nil
}

// knockAll knocks by so many workers, for a while. A knock that fails is an error.
func knockAll(from *testnet.Host, to netip.AddrPort, workers int) (sample, error) {
	found, errs := make([][]time.Duration, workers), make([]error, workers)
	var all sync.WaitGroup
	began := time.Now()
	for w := range workers {
		all.Go(func() {
			errs[w] = from.Do(func() error {
				for time.Since(began) < connectFor {
					at := time.Now()
					if err := knock(to, connectPatience); err != nil {
						return err
					}
					found[w] = append(found[w], time.Since(at))
				}
				return nil
			})
		})
	}
	all.Wait()
	s := sample{elapsed: time.Since(began), latencies: slices.Concat(found...)}
	slices.Sort(s.latencies)
	return s, errors.Join(errs...)
}

func (tr *traffic) connectionsReport(sizes []int) measured {
	var rows []row
	for _, n := range sizes {
		for _, at := range places {
			name := fmt.Sprintf("%d %s", n, at)
			where := fmt.Sprintf(", %d Services, %s", n, at)
			kind := ""
			if n == sizes[len(sizes)-1] {
				kind = "connections/s, many Services"
			}
			rows = append(rows, tr.against("connections/s"+where, kind, "1/s", name+" rate")...)
			rows = append(rows, tr.against("p50"+where, "", "µs", name+" p50")...)
			rows = append(rows, tr.against("p99"+where, "", "µs", name+" p99")...)
		}
	}
	return measured{Rows: rows, Notes: trafficNotes()}
}

func trafficNotes() []string {
	return []string{
		"Client, nodes and pods are network namespaces of one machine: the client, the two nodes and the pod share its cores.",
		"net.netfilter.nf_conntrack_tcp_timeout_close is 1 on all nodes, so that ports of connections that were reset can be had again.",
	}
}
