package nft

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// synRetransmissions counts the SYNs that a host has sent again: first packets that were lost.
func synRetransmissions(t *testing.T, h *testnet.Host) string {
	t.Helper()
	var text []byte
	err := h.Do(func() (err error) {
		text, err = os.ReadFile("/proc/thread-self/net/netstat")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	column := slices.Index(strings.Fields(lines[0]), "TCPSynRetrans")
	return strings.Fields(lines[1])[column]
}

// flood has hosts connect to an address as fast as they can until change returns. No connection may fail, and no
// packet of one be lost.
func (n *node) flood(to netip.AddrPort, hosts []*testnet.Host, change func()) {
	n.t.Helper()
	before := map[*testnet.Host]string{}
	for _, h := range hosts {
		before[h] = synRetransmissions(n.t, h)
	}
	var connecting sync.WaitGroup
	var stop atomic.Bool
	var connections atomic.Int64
	for _, h := range slices.Concat(hosts, hosts) {
		connecting.Go(func() {
			err := h.Do(func() error {
				for ; !stop.Load(); connections.Add(1) {
					got, err := n.askHere(h, TCP, to, patience)
					if err != nil || !strings.HasPrefix(got, string(Sent)) {
						return fmt.Errorf("connection %d from %s was %s: %w", connections.Load(), h.Name, got, err)
					}
				}
				return nil
			})
			if err != nil {
				n.t.Error(err)
			}
		})
	}
	change()
	stop.Store(true)
	connecting.Wait()
	for _, h := range hosts {
		if after := synRetransmissions(n.t, h); after != before[h] {
			n.t.Errorf("%s sent %s SYNs twice before, now %s", h.Name, before[h], after)
		}
	}
	n.t.Logf("%d connections", connections.Load())
}

const floodTime = time.Second

// while calls f for a while, at most once in the time given.
func while(pace time.Duration, f func(i int)) int {
	i, next := 0, time.NewTicker(max(pace, 1))
	defer next.Stop()
	for end := time.Now().Add(floodTime); time.Now().Before(end); i++ {
		f(i)
		if pace > 0 {
			<-next.C
		}
	}
	return i
}

func TestNoPacketIsLostWhenAListChanges(t *testing.T) {
	for _, f := range []Family{IPv4, IPv6} {
		n := newNode(t, 3)
		a := n.addressing(f)
		balanced := func(pods ...int) []Element {
			return slices.Concat(a.basics(), a.service(1, Word{Balance(len(pods)), 1}), a.list(1, pods...))
		}
		sticky := func(pods ...int) []Element { return a.sticky(time.Hour, pods...) }
		for _, c := range []struct {
			name   string
			pace   time.Duration
			states [][]Element
		}{
			{"it becomes shorter and longer", 0, [][]Element{balanced(0, 1, 2), balanced(2, 1), balanced(1)}},
			{"its endpoints are others", 0, [][]Element{balanced(0), balanced(1), balanced(2)}},
			// Not faster: an endpoint that a client sticks to may go once while its packet passes, not twice, and a busy host
			// may stop a processor for milliseconds in the middle of a packet.
			{"clients stick, it becomes shorter and longer", 10 * time.Millisecond, [][]Element{sticky(0, 1, 2), sticky(2, 1), sticky(1)}},
			{"clients stick, its endpoints are others", 10 * time.Millisecond, [][]Element{sticky(0), sticky(1), sticky(2)}},
			{"clients stick now and then", 10 * time.Millisecond, [][]Element{sticky(0, 1), balanced(2, 1)}},
		} {
			t.Run(fmt.Sprintf("%s/%s", c.name, f), func(t *testing.T) {
				n.t = t
				n.install(c.states[0]...)
				n.flood(netip.AddrPortFrom(a.cluster(1), 80), []*testnet.Host{n.Client, n.Pods[0]}, func() {
					t.Logf("%d changes", while(c.pace, func(i int) { n.apply(c.states[i%len(c.states)]...) }))
				})
				n.wantHeld()
			})
		}
	}
}

// guardedService is a Service of pod2 at a port of the node, which the lists guard.
func (a addressing) guardedService(lists ...Element) []Element {
	service := slices.Concat(a.basics(), a.list(1, 2), []Element{
		NodePort(a.family, TCP, clientPort, Word{Balance(1), 1}), Use(TCP, clientPort),
	})
	return append(service, lists...)
}

// lists are ways to let the client through to clientPort, and not pod1.
func (a addressing) lists() [][]Element {
	single, network := netip.PrefixFrom(a.client, a.client.BitLen()), netip.PrefixFrom(a.client, a.client.BitLen()-8)
	pod := netip.PrefixFrom(a.pods[1], a.client.BitLen())
	return [][]Element{
		{Guarded(a.family, TCP, clientPort, 1), Grant(1, single, Pass())},
		{Guarded(a.family, TCP, clientPort, 2), Grant(2, network, Pass())},
		{Guarded(a.family, TCP, clientPort, 3), GuardedAt(TCP, clientPort, "", a.node, 4), Grant(4, network, Limit(MaxRate, MaxRate))},
		{Guarded(a.family, TCP, clientPort, 4), Grant(4, netip.PrefixFrom(a.client, 0), Pass()), Grant(4, pod, Deny())},
	}
}

// manyLengths are grants that no port asks for, so that a packet is looked up for as many lengths, and meets many changes.
func (a addressing) manyLengths() []Element {
	var grants []Element
	for bits := range min(100, a.client.BitLen()) {
		grants = append(grants, Grant(9, netip.PrefixFrom(a.client, bits), Deny()))
	}
	return grants
}

// inTurn are the changes from each state to the next one, and from the last to the first.
func inTurn(states ...[]Element) []Change {
	var changes []Change
	for i, s := range states {
		changes = append(changes, Diff(NewTable(s...), NewTable(states[(i+1)%len(states)]...)))
	}
	return changes
}

func TestWhoMayReachAPortIsNotKeptOutWhenItsListChanges(t *testing.T) {
	for _, f := range []Family{IPv4, IPv6} {
		n := newNode(t, 3)
		a := n.addressing(f)
		n.install(a.guardedService(a.lists()[0]...)...)
		// Some ten packets a run meet a change between two lookups. Not faster: a busy host may stop a processor for that long
		// in the middle of a packet, which then meets one in its second look, too.
		const pace = 300 * time.Microsecond
		changes := inTurn(a.lists()...)
		n.flood(netip.AddrPortFrom(a.node, clientPort), []*testnet.Host{n.Client}, func() {
			t.Logf("%d changes", while(pace, func(i int) {
				if err := n.kernel.Apply(changes[i%len(changes)]); err != nil {
					t.Fatal(err)
				}
			}))
		})
	}
}

func TestWhoMayReachAPortIsNotKeptOutWhenItsListNeedsNewRules(t *testing.T) {
	for _, f := range []Family{IPv4, IPv6} {
		n := newNode(t, 3)
		a := n.addressing(f)
		changes := inTurn(a.lists()...)
		for range 20 {
			n.install(a.guardedService(a.lists()[0]...)...) // nothing of the other lists is left
			n.flood(netip.AddrPortFrom(a.node, clientPort), []*testnet.Host{n.Client}, func() {
				for _, c := range changes[:len(changes)-1] {
					if err := n.kernel.Apply(c); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

func TestWhoMayReachAPortIsNotKeptOutWhenThereAreNewLengths(t *testing.T) {
	for _, f := range []Family{IPv4, IPv6} {
		n := newNode(t, 3)
		a := n.addressing(f)
		elements := a.guardedService(a.lists()[0]...)
		n.install(elements...)
		n.flood(netip.AddrPortFrom(a.node, clientPort), []*testnet.Host{n.Client}, func() {
			t.Logf("%d times", while(0, func(int) {
				more := slices.Clone(elements)
				for _, e := range a.manyLengths() {
					more = append(more, e)
					n.apply(more...)
				}
				n.install(elements...) // gives the sets up
			}))
		})
		n.wantHeld()
	}
}

func TestWhoMayNotReachAPortIsKeptOutWhileItsListChanges(t *testing.T) {
	for _, f := range []Family{IPv4, IPv6} {
		n := newNode(t, 3)
		a := n.addressing(f)
		n.install(a.guardedService(slices.Concat(a.lists()[0], a.manyLengths())...)...)
		var trying sync.WaitGroup
		var stop atomic.Bool
		tries := 0
		trying.Go(func() {
			for ; !stop.Load(); tries++ {
				if got, err := n.ask(n.Pods[1], TCP, netip.AddrPortFrom(a.node, clientPort), patience); err != nil || got != string(Refused) {
					t.Errorf("connection %d was %s, error %v", tries, got, err)
				}
			}
		})
		changes := inTurn(a.lists()...)
		count := while(0, func(i int) {
			if err := n.kernel.Apply(changes[i%len(changes)]); err != nil {
				t.Fatal(err)
			}
		})
		stop.Store(true)
		trying.Wait()
		t.Logf("%d connections, %d changes", tries, count)
	}
}

func TestNoPacketIsLostWhenRulesAreReplaced(t *testing.T) {
	n := newNode(t, 2)
	a := n.addressing(IPv4)
	n.install(slices.Concat(a.basics(), a.service(1, Word{Balance(2), 1}), a.list(1, 0, 1))...)
	n.flood(netip.AddrPortFrom(a.cluster(1), 80), []*testnet.Host{n.Client, n.Pods[0]}, func() {
		all := upgrade{rewrite: wantedChains(n.rules, n.kernel.codes)}
		t.Logf("all rules replaced %d times", while(0, func(int) {
			if err := n.kernel.run(all.steps()[1:], false); err != nil {
				t.Error(err)
			}
		}))
	})
}

func TestNoPacketIsLostWhenAProcessFollowsAnother(t *testing.T) {
	n := newNode(t, 2)
	a := n.addressing(IPv4)
	elements := slices.Concat(a.basics(), a.service(1, Word{Balance(2), 1}), a.list(1, 0, 1))
	n.install(elements...)
	n.flood(netip.AddrPortFrom(a.cluster(1), 80), []*testnet.Host{n.Client}, func() {
		t.Logf("%d processes", while(0, func(int) {
			if err := n.kernel.Close(); err != nil {
				t.Error(err)
			}
			n.kernel = openKernel(t, n.Node.Namespace)
			n.install(elements...)
		}))
	})
}

func TestNoPacketIsLostWhenRulesBecomeOthers(t *testing.T) {
	n := newNode(t, 2)
	a := n.addressing(IPv4)
	elements := slices.Concat(a.basics(), a.service(1, Word{Balance(2), 1}), a.list(1, 0, 1))
	n.install(elements...)
	n.flood(netip.AddrPortFrom(a.cluster(1), 80), []*testnet.Host{n.Client, n.Pods[0], n.Node}, func() {
		t.Logf("%d times", while(0, func(i int) {
			n.rules = everyRules[i%len(everyRules)]
			n.install(elements...)
		}))
	})
}

func TestNoPacketIsLostWhenHooksMove(t *testing.T) {
	n := newNode(t, 2)
	a := n.addressing(IPv4)
	elements := slices.Concat(a.basics(), a.service(1, Word{Balance(2), 1}), a.list(1, 0, 1))
	n.install(elements...)
	n.flood(netip.AddrPortFrom(a.cluster(1), 80), []*testnet.Host{n.Client, n.Pods[0], n.Node}, func() {
		t.Logf("%d times", while(0, func(int) {
			mustCommit(t, n.kernel.socket, earlierLayout())
			n.install(elements...)
		}))
	})
	n.wantHeld()
}

// earlierLayout makes the table what it was before others' cluster IPs were left to them: hooks at -100, and the drop of
// what nobody has taken at the end of "services".
func earlierLayout() *batch {
	b := newBatch(TableName)
	for name, number := range map[string]uint32{"prerouting": hookPrerouting, "output": hookOutput} {
		b.flushChain(name)
		b.deleteChain(name)
		b.addWholeChain(chain{name, &hook{"nat", number, -100}, entryRules(map[string]string{"prerouting": "arriving", "output": "departing"}[name])})
	}
	b.flushChain("unallocated")
	b.deleteChain("unallocated")
	for _, v := range views {
		b.addRule(v.name("services"), v.only(v.in("service-cidrs", v.daddr()), rule{drop()}))
	}
	return b
}

func TestNoPacketIsLostWhenAChangeIsParted(t *testing.T) {
	const more = 300
	for _, f := range []Family{IPv4, IPv6} {
		n := newNode(t, 2)
		a := n.addressing(f)
		state := func(endpoints, first int, others ...Element) []Element {
			elements := slices.Concat(a.basics(), a.service(1, Word{Balance(endpoints), 1}), others)
			for slot := range endpoints {
				elements = append(elements, Endpoint(1, slot, netip.AddrPortFrom(a.pods[(first+slot)%2], podPort)))
			}
			return elements
		}
		few, many := state(2, 0), state(more, 1, services(more)...)
		n.install(few...)
		if err := n.kernel.socket.Restrict(4<<10, 0); err != nil {
			t.Fatal(err)
		}
		n.flood(netip.AddrPortFrom(a.cluster(1), 80), []*testnet.Host{n.Client, n.Pods[0], n.Node}, func() {
			t.Logf("%d changes", while(0, func(int) {
				n.apply(many...)
				n.apply(few...)
			}))
		})
		n.wantHeld()
	}
}
