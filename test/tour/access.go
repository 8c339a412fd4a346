package tour

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/portolan-dev/portolan/test/cluster"
)

const podinfoPort = 31000

// access is about who reaches a node port, which node-proxy enforces whoever serves it.
func (g *guide) access() {
	if g.NodeProxy == nil || !g.Packets {
		return
	}
	g.step("Who reaches a node port is up to its team")
	g.say("Everybody reaches podinfo up to here. Now the network of the client does, which has one address, and nobody else:")
	g.want(g.kubectlFrom(g.onlyFrom(g.client()), "apply -f -"), "nodeportaccess.portolan.dev/podinfo created")
	// Not of the client: it may be answered still because nothing has changed yet.
	if !g.shutOut(g.host(), g.nodeAddress(podinfoPort)) {
		return
	}
	g.curl(g.client(), g.nodeAddress(podinfoPort), "podinfo-")
	g.say("It is the same on every node. What a node itself sends to its own port is never refused:")
	g.reached(podinfoPort, "podinfo-", func(from place, to *cluster.Node) bool { return from.name == g.client().name || from.name == to.Name })
	g.reported()
	g.say("Without it, everybody does again:")
	g.kubectl("delete npacc podinfo")
	g.everyNodeAnswers(backend{podinfoPort, "podinfo-"})
}

// reported is what nodes say, which they do once a minute at most.
func (g *guide) reported() {
	g.say("Soon the nodes have reported that they enforce it, and when the number last took a connection:")
	g.quietly("waiting for the nodes to report, which they do once a minute", "kubectl wait --for=condition=Programmed npacc/podinfo --timeout=120s && "+
		"kubectl wait --for=jsonpath={.status.lastTrafficTime} npa/31000 --timeout=120s")
	nodes := len(g.Cluster.Nodes())
	g.want(g.kubectl("get npacc"), fmt.Sprintf(`podinfo +31000 +198\.1[89]\.\d+\.3/32 and 1 more +True +%d +%d `, nodes, nodes))
	g.want(g.kubectl("get npa 31000"), `(?m)^31000 .* InUse +(\d+[hms])+ +(\d+[hms])+$`)
}

// onlyFrom is a command that prints a NodePortAccess for one place: the sample's, with its address in it.
func (g *guide) onlyFrom(m place) string {
	return fmt.Sprintf(`sed 's,203.0.113.0/24,%s/32,; /except/d' config/samples/v1alpha1_nodeportaccess.yaml`, m.address)
}

// kubectlFrom shows a command whose input another one prints, and that succeeds.
func (g *guide) kubectlFrom(input, args string) string {
	if g.err != nil {
		return ""
	}
	line := input + " | kubectl " + args
	out, err := g.show(line)
	if err != nil {
		g.fail("%s: %w", line, err)
	}
	return out
}

// shutOut shows a request that is refused, once it is, and says whether that is so.
func (g *guide) shutOut(from place, address string) bool {
	if g.err != nil {
		return false
	}
	g.Screen.Command(from.prefix + HTTPClient() + " " + address + " || echo refused")
	if err := g.awaitRefusal(from, address); err != nil {
		g.fail("%w", err)
		return false
	}
	g.Screen.Output("refused")
	return true
}

// awaitRefusal asks an address from a place until the connection is refused.
func (g *guide) awaitRefusal(from place, address string) (err error) {
	last := wait.PollUntilContextTimeout(g.ctx, answerPoll, answerTimeout, true, func(ctx context.Context) (bool, error) {
		_, err = fetch(ctx, from, address)
		return errors.Is(err, syscall.ECONNREFUSED), nil
	})
	if last != nil {
		return fmt.Errorf("%s, asked from %s, is not refused: %w", address, from.name, errors.Join(last, err))
	}
	return nil
}

// reached asks every node from every place, and shows who is answered and who is refused, which is as it should be.
func (g *guide) reached(port int32, pod string, allowed func(place, *cluster.Node) bool) {
	if !g.askedFromEveryPlace(func(from place) error { return g.askWhere(from, port, pod, allowed) }) {
		return
	}
	places, nodes := g.places(), g.Cluster.Nodes()
	if len(nodes) > widestTable {
		g.say(fmt.Sprintf("So it is on all %d nodes, from each of %d places.", len(nodes), len(places)))
		return
	}
	g.Screen.Say(table(places, len(nodes), func(from place, node int) string {
		if allowed(from, nodes[node]) {
			return fmt.Sprint(port)
		}
		return "refused"
	}))
}

// askWhere asks every node from a place, and wants an answer where that is allowed, and a refusal where not.
func (g *guide) askWhere(from place, port int32, pod string, allowed func(place, *cluster.Node) bool) error {
	for _, n := range g.Cluster.Nodes() {
		address := fmt.Sprintf("%s:%d", n.IP, port)
		if !allowed(from, n) {
			if err := g.awaitRefusal(from, address); err != nil {
				return err
			}
			continue
		}
		if _, _, err := g.get(from, address, pod); err != nil {
			return err
		}
	}
	return nil
}
