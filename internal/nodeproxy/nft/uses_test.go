package nft

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

func (n *node) uses() map[Port]uint64 {
	n.t.Helper()
	uses, err := n.kernel.Uses()
	if err != nil {
		n.t.Fatal(err)
	}
	return uses
}

// wantUses wants flows to have come to ports, and none to others that there is a Use of.
func (n *node) wantUses(when string, want map[Port]uint64) {
	n.t.Helper()
	got := n.uses()
	for p, count := range got {
		if count != want[p] {
			n.t.Errorf("%s: %d flows to %s, want %d", when, count, p, want[p])
		}
	}
	for p := range want {
		if _, ok := got[p]; !ok {
			n.t.Errorf("%s: %s is not counted", when, p)
		}
	}
}

// stream sends n datagrams of one flow to a port of the node that takes them and never answers.
func (n *node) stream(to netip.AddrPort, count int) {
	n.t.Helper()
	var sink *net.UDPConn
	must := func(err error) {
		n.t.Helper()
		if err != nil {
			n.t.Fatal(err)
		}
	}
	must(n.Node.Do(func() (err error) {
		sink, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(to))
		return err
	}))
	defer sink.Close()
	var source net.Conn
	must(n.Client.Do(func() (err error) {
		source, err = net.Dial("udp", to.String())
		return err
	}))
	defer source.Close()
	must(sink.SetReadDeadline(time.Now().Add(patience)))
	for range count {
		_, err := source.Write([]byte("!"))
		must(err)
		_, err = sink.Read(make([]byte, 1))
		must(err)
	}
}

func TestAUseCountsEachFlowOnceThatGetsThrough(t *testing.T) {
	n := guardedNode(t)
	const streamPort = 31050
	for _, rules := range []Rules{{}, {GuardOnly: true}} {
		n.rules = rules
		if err := n.kernel.Remove(); err != nil {
			t.Fatal(err)
		}
		n.install(append(allAccess(n), Use(UDP, streamPort))...)
		want := map[Port]uint64{}
		for _, f := range []Family{IPv4, IPv6} {
			a := n.addressing(f)
			for _, c := range []struct {
				from *testnet.Host
				port uint16
				tcp  bool
				got  bool
			}{
				{n.Client, openPort, true, true}, {n.Client, openPort, false, true}, {n.Pods[0], exceptPort, true, true},
				{n.Pods[1], exceptPort, true, false}, {n.Pods[1], exceptPort, false, false}, {n.Client, unusedPort, true, true},
				{n.Node, openPort, true, true},
			} {
				protocol, timeout := map[bool]Protocol{true: TCP, false: UDP}[c.tcp], patience
				if !c.got {
					timeout = silence
				}
				flow, err := c.from.Dial(t.Context(), protocol.String(), netip.AddrPortFrom(a.node, c.port), timeout)
				if err == nil {
					for range 3 {
						if _, err = flow.Ask(timeout); err != nil {
							break
						}
					}
					flow.Close()
				}
				if (err == nil) != c.got {
					t.Errorf("from %s to %s %d: %v", c.from.Name, protocol, c.port, err)
				}
				if c.got && c.from != n.Node && c.port != unusedPort {
					want[Port{protocol, c.port}]++
				}
			}
			n.stream(netip.AddrPortFrom(a.node, streamPort), 10)
			want[Port{UDP, streamPort}]++
		}
		n.wantUses("after all", want)
	}
}

func TestAUseCountsOnAsLongAsItIsThere(t *testing.T) {
	n := guardedNode(t)
	elements := allAccess(n)
	n.install(elements...)
	to := netip.AddrPortFrom(n.Node.IPv4, openPort)
	count := uint64(0)
	use := func() {
		t.Helper()
		if got, err := n.ask(n.Client, TCP, to, patience); err != nil || got != "answered by node" {
			t.Fatalf("a connection was %s, error %v", got, err)
		}
		count++
	}
	want := func(when string) {
		t.Helper()
		n.wantUses(when, map[Port]uint64{{TCP, openPort}: count})
	}
	use()
	want("at first")
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"other elements come", func() { n.apply(append(elements, Use(TCP, 31060), Guarded(IPv4, TCP, 31060, 77))...) }},
		{"so many that the kernel enlarges the set", func() {
			for port := range uint16(5000) {
				elements = append(elements, Use(SCTP, 20000+port))
			}
			n.apply(elements...)
		}},
		{"prefixes of another length", func() {
			n.apply(append(elements, Grant(1, netip.MustParsePrefix("10.0.0.0/11"), Deny()))...)
		}},
		{"other rules", func() { n.rules.Closed = closedPorts; n.install(elements...) }},
		{"another process", func() {
			if err := n.kernel.Close(); err != nil {
				t.Fatal(err)
			}
			n.kernel = openKernel(t, n.Node.Namespace)
			n.install(elements...)
		}},
		{"all rules replaced", func() {
			all := upgrade{rewrite: wantedChains(n.rules, n.kernel.codes)}
			if err := n.kernel.run(all.steps()[1:], false); err != nil {
				t.Fatal(err)
			}
		}},
		{"what somebody else has deleted is put right", func() {
			b := newBatch(TableName)
			b.flushChain("used")
			use := Use(UDP, openPort)
			key, _ := use.Key.entries()
			b.deleteElements("uses", all(key))
			mustCommit(t, n.kernel.socket, b)
			n.install(elements...)
		}},
	} {
		step.do()
		want(step.name)
		use()
		want(step.name + ", and it is used again")
	}
	n.apply()
	if got := n.uses(); len(got) != 0 {
		t.Errorf("without Uses there are %v", got)
	}
	count = 0
	n.apply(elements...)
	want("the element is new")
}

func TestWithoutATableNothingIsCounted(t *testing.T) {
	k := openKernel(t, testnet.New(t))
	for name, k := range map[string]programmable{"kernel": k, "fake": &Fake{}} {
		mustRead(t, k)
		if counts, err := k.Uses(); !errors.Is(err, ErrUncounted) {
			t.Errorf("%s: %v, error %v", name, counts, err)
		}
		if err := k.Install(Rules{}); err != nil {
			t.Fatal(err)
		}
		if counts, err := k.Uses(); err != nil || len(counts) > 0 {
			t.Errorf("%s, with a table: %v, error %v", name, counts, err)
		}
	}
	if err := k.Remove(); err != nil {
		t.Fatal(err)
	}
	if counts, err := k.Uses(); !errors.Is(err, ErrUncounted) {
		t.Errorf("removed: %v, error %v", counts, err)
	}
}

func TestAFakeCountsAsAKernel(t *testing.T) {
	f := &Fake{}
	if _, err := f.Read(); err != nil {
		t.Fatal(err)
	}
	use, other := Use(TCP, 30080), Use(UDP, 30080)
	for _, step := range []struct {
		name   string
		change Change
		want   map[Port]uint64
	}{
		{"come", Change{Add: []Element{use, other}}, map[Port]uint64{{TCP, 30080}: 2, {UDP, 30080}: 0}},
		{"nothing", Change{}, map[Port]uint64{{TCP, 30080}: 4, {UDP, 30080}: 0}},
		{"gone", Change{Delete: []Element{use}}, map[Port]uint64{{UDP, 30080}: 0}},
		{"come again", Change{Add: []Element{use}}, map[Port]uint64{{TCP, 30080}: 2, {UDP, 30080}: 0}},
	} {
		if err := f.Apply(step.change); err != nil {
			t.Fatal(err)
		}
		f.Count(Port{TCP, 30080}, 2)
		if got, err := f.Uses(); err != nil || !maps.Equal(got, step.want) {
			t.Errorf("%s: %v, error %v; want %v", step.name, got, err, step.want)
		}
	}
}
