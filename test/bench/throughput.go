package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
	"github.com/portolan-dev/portolan/test/proxysite"
)

const throughputHow = `
A client outside of the cluster sends to a node port: bytes over one TCP connection and over eight, and datagrams of 64
bytes over UDP from two sockets, of which those that arrive are counted. Peers and places are those of connections. What
all proxies have in common is that the rules see a flow's first packet only.`

const (
	sendFor     = time.Second // a round, each
	manyStreams = 8
	udpSockets  = 2
	udpSize     = 64
)

func runThroughput(ctx context.Context, o options) (measured, error) {
	return withPlane(ctx, o, func(ctx context.Context, plane *proxysite.Plane, t testnet.T) (measured, error) {
		tr, err := newTraffic(ctx, plane, t, o)
		if err != nil {
			return measured{}, err
		}
		defer tr.end()
		sizes := fewAndMany(o)
		n := sizes[len(sizes)-1]
		if err := tr.become(ctx, shape{n, 2}); err != nil {
			return measured{}, err
		}
		for i := range o.rounds {
			fmt.Fprintf(o.log, "throughput: round %d of %d\n", i+1, o.rounds)
			if err := tr.each(i, tr.send); err != nil {
				return measured{}, err
			}
		}
		return tr.throughputReport(n), nil
	})
}

func (tr *traffic) send(p path) error {
	for _, streams := range []int{1, manyStreams} {
		before, began := p.sink.bytes.Load(), time.Now()
		if err := blast(p.client, "tcp4", p.bytes, streams, 1<<18); err != nil {
			return err
		}
		bits := 8 * float64(p.sink.bytes.Load()-before) / time.Since(began).Seconds()
		tr.add(fmt.Sprintf("%s %d streams", p.at, streams), p.of, bits/1e9)
	}
	before, began := p.sink.datagrams.Load(), time.Now()
	if err := blast(p.client, "udp4", p.bytes, udpSockets, udpSize); err != nil {
		return err
	}
	tr.add(fmt.Sprintf("%s datagrams", p.at), p.of, float64(p.sink.datagrams.Load()-before)/time.Since(began).Seconds())
	return nil
}

// blast writes for a while, as fast as it can, to so many connections, so many bytes at a time.
func blast(from *testnet.Host, network string, to netip.AddrPort, connections, size int) error {
	conns := make([]net.Conn, connections)
	if err := from.Do(func() (err error) {
		for i := range conns {
			if conns[i], err = net.DialTimeout(network, to.String(), time.Second); err != nil {
				return err
			}
			defer conns[i].Close()
		}
		return writeAll(conns, size)
	}); err != nil {
		return fmt.Errorf("%s to %s: %w", network, to, err)
	}
	return nil
}

func writeAll(conns []net.Conn, size int) error {
	errs := make([]error, len(conns))
	until := time.Now().Add(sendFor)
	var all sync.WaitGroup
	for i, c := range conns {
		all.Go(func() {
			buffer := make([]byte, size)
			for errs[i] == nil && time.Now().Before(until) {
				_, errs[i] = c.Write(buffer)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (tr *traffic) throughputReport(services int) measured {
	var rows []row
	for _, at := range places {
		for _, streams := range []int{1, manyStreams} {
			title := "1 stream, " + string(at)
			if streams > 1 {
				title = fmt.Sprintf("%d streams, %s", streams, at)
			}
			rows = append(rows, tr.against(title, "throughput", "Gbit/s", fmt.Sprintf("%s %d streams", at, streams))...)
		}
		rows = append(rows, tr.against("datagrams/s, "+string(at), "throughput", "1/s", fmt.Sprintf("%s datagrams", at))...)
	}
	notes := append([]string{fmt.Sprintf("With %d Services.", services)}, trafficNotes()...)
	return measured{Rows: rows, Notes: notes}
}
