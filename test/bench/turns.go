package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portolan-dev/portolan/test/proxysite"
)

// sides are the names of what node benchmarks compare.
var sides = map[proxysite.Kind]side{
	proxysite.NodeProxy:         portolan,
	proxysite.KubeProxyNFTables: "kube-proxy nftables",
	proxysite.KubeProxyIPTables: "kube-proxy iptables",
}

// turns are the kinds of proxies to measure, in an order that is another one each round.
func turns(round int, o options) []proxysite.Kind {
	var kinds []proxysite.Kind
	for _, kind := range proxysite.Kinds {
		if kind == proxysite.NodeProxy || slices.Contains(strings.Split(o.peers, ","), strings.TrimPrefix(string(kind), "kube-proxy-")) {
			kinds = append(kinds, kind)
		}
	}
	first := round % len(kinds)
	return slices.Concat(kinds[first:], kinds[:first])
}

// errLate is that of a proxy that is not in step in time. A peer's is a result, and not an error.
var errLate = errors.New("it is not in step in time")

// race has proxies measured in turn, and remembers which peers were late: they are not asked again.
type race struct {
	options options
	late    []entrant
}

type entrant struct {
	shape
	proxysite.Kind
}

// run has once measure each kind of proxy in each round.
func (r *race) run(size shape, once func(proxysite.Kind) error) error {
	for round := range r.options.rounds {
		for _, kind := range turns(round, r.options) {
			peer := kind != proxysite.NodeProxy
			if peer && (slices.Contains(r.late, entrant{size, kind}) || round > 0 && size.services > r.options.peerServices) {
				continue
			}
			err := once(kind)
			if peer && errors.Is(err, errLate) {
				fmt.Fprintf(r.options.log, "  %s, %s: not in step after %s\n", size, kind, r.options.patience)
				r.late = append(r.late, entrant{size, kind})
				continue
			}
			if err != nil {
				return fmt.Errorf("round %d, %s: %w", round+1, kind, err)
			}
		}
	}
	return nil
}

func (r *race) notes() []string {
	notes := []string{"One API server, one etcd, the proxy, the probes and what answers them share the cores."}
	for _, e := range r.late {
		notes = append(notes, fmt.Sprintf("%s was not in step with %s endpoints after %s.", sides[e.Kind], e.shape, r.options.patience))
	}
	for _, n := range r.options.services {
		if n > r.options.peerServices {
			notes = append(notes, fmt.Sprintf("With %d Services, peers are measured in one round only, for the time it takes.", n))
		}
	}
	return notes
}

// againstPeers are a figure's rows, one for each peer that has it.
func (f figures) againstPeers(title, kind, unit, figure string) []row {
	var rows []row
	for _, peer := range proxysite.Kinds[1:] {
		if of := f[figure]; len(of[sides[peer]]) > 0 {
			r := compared(title, unit, string(sides[peer]), of[portolan], of[sides[peer]])
			r.Kind = kind
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		rows = append(rows, f.ours(title, kind, unit, figure))
	}
	return rows
}

// ours is a figure's row without a peer.
func (f figures) ours(title, kind, unit, figure string) row {
	return row{Name: title, Kind: kind, Unit: unit, Value: median(f[figure][portolan])}
}

// texts are the medians of a figure, of each side that has it, in words.
func (f figures) texts(figure, format string) string {
	var texts []string
	for _, kind := range proxysite.Kinds {
		if values := f[figure][sides[kind]]; len(values) > 0 {
			texts = append(texts, fmt.Sprintf(format+" with %s", median(values), sides[kind]))
		}
	}
	return strings.Join(texts, ", ")
}
