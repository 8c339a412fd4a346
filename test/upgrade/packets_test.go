package upgrade

import (
	"context"
	"errors"
	"fmt"

	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/traffic"
)

// packets is what goes through the nodes to Service web all the time.
type packets struct {
	*world
	answered, refused []*traffic.Stream
	stop              func()
}

// keepAsking asks the Service by its node ports: as the client, which may reach it, over new connections, one connection and
// UDP; and as a node that may not.
func (w *world) keepAsking() *packets {
	w.Helper()
	first, second, from := w.Nodes()[0], w.Nodes()[1], w.Cluster.Client()
	p := &packets{world: w, answered: []*traffic.Stream{
		traffic.Connecting(from, nodePort(first, webPort)), traffic.Connecting(from, nodePort(second, webPort)),
		traffic.Connected(w.T, from, nodePort(first, webPort)), traffic.Datagrams(from, nodePort(second, webUDPPort)),
		traffic.DatagramFlow(w.T, from, nodePort(first, webUDPPort)),
	}, refused: []*traffic.Stream{refusing(traffic.Connecting(second.Machine, nodePort(first, webPort)))}}
	all := append(p.refused, p.answered...)
	for _, one := range all {
		traffic.Paced(w.T, one)
	}
	p.stop = traffic.Start(w.T, all)
	return p
}

// nodePort is a node port of a node.
func nodePort(n *cluster.Node, port int32) string { return fmt.Sprint(n.IP, ":", port) }

// refusing is a stream in which an answer is what is wrong.
func refusing(one *traffic.Stream) *traffic.Stream {
	one.What += ", which is to be refused"
	send := one.Send
	one.Send = func(ctx context.Context) error {
		if send(ctx) == nil {
			return errors.New("it is answered")
		}
		return nil
	}
	return one
}

// end ends it, and wants an answer to all that the client has asked, and to nothing else.
func (p *packets) end() {
	p.Helper()
	p.stop()
	traffic.WantAllAnswered(p.T, append(p.answered, p.refused...))
}

// wantServed waits until all nodes answer the client on a node port, and wants a node that may not reach it refused.
func (w *world) wantServed(port int32) {
	w.Helper()
	for _, n := range w.Nodes() {
		send := traffic.Connecting(w.Cluster.Client(), nodePort(n, port)).Send
		w.eventually(fmt.Sprintf("%d is answered on %s", port, n.Name), func() error {
			ctx, cancel := context.WithTimeout(w.Context(), traffic.AnswerWithin)
			defer cancel()
			return send(ctx)
		})
	}
	first, second := w.Nodes()[0], w.Nodes()[1]
	ctx, cancel := context.WithTimeout(w.Context(), traffic.AnswerWithin)
	defer cancel()
	if traffic.Connecting(second.Machine, nodePort(first, port)).Send(ctx) == nil {
		w.Errorf("%d is answered to who may not reach it", port)
	}
}
