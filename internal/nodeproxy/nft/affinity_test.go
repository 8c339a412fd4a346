package nft

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// sticky is a Service with clients that stick to the pods given. A pod has the same number in every list.
func (a addressing) sticky(timeout time.Duration, pods ...int) []Element {
	elements := slices.Concat(a.basics(), a.service(1, Word{Stick(len(pods), timeout), 1}))
	for slot, p := range pods {
		number := List(10 + p)
		elements = append(elements, StickySlot(1, slot, number), Endpoint(number, 0, netip.AddrPortFrom(a.pods[p], podPort)))
	}
	return elements
}

// answers asks some times, and returns the different answers.
func (n *node) answers(from *testnet.Host, protocol Protocol, to netip.AddrPort, times int) []string {
	n.t.Helper()
	var all []string
	for range times {
		got, err := n.ask(from, protocol, to, patience)
		if err != nil {
			n.t.Fatal(err)
		}
		all = append(all, got)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// clients are the numbers of the endpoints that clients stick to.
func (n *node) clients(f Family) []List {
	n.t.Helper()
	var numbers []List
	err := n.kernel.socket.dumpElements(TableName, sets[setID{kind: affinityKind, family: f}].name, func(e entry) error {
		numbers = append(numbers, List(host.Uint32(e.value)))
		return nil
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return numbers
}

func TestAClientSticksToItsEndpointAsLongAsThatIsThere(t *testing.T) {
	for _, f := range []Family{IPv4, IPv6} {
		for _, protocol := range []Protocol{TCP, UDP} {
			t.Run(f.String()+"/"+protocol.String(), func(t *testing.T) {
				n := newNode(t, 3)
				a := n.addressing(f)
				frontend := netip.AddrPortFrom(a.cluster(1), 80)
				want := func(after string, want []string) []string {
					t.Helper()
					got := n.answers(n.Client, protocol, frontend, 12)
					if len(got) != 1 || want != nil && !slices.Equal(got, want) {
						t.Errorf("after %s: %v, want one answer, and where it is known %v", after, got, want)
					}
					return got
				}
				n.install(a.sticky(time.Hour, 0, 1)...)
				first := want("the first connection", nil)

				n.apply(a.sticky(time.Hour, 1, 0, 2)...)
				want("another one has come, and the list is in another order", first)

				if err := n.kernel.Close(); err != nil {
					t.Fatal(err)
				}
				n.kernel = openKernel(t, n.Node.Namespace)
				n.install(a.sticky(time.Hour, 0, 1, 2)...)
				want("a restart", first)

				stuckTo := int(n.clients(f)[0] - 10)
				others := slices.DeleteFunc([]int{0, 1, 2}, func(p int) bool { return p == stuckTo })
				n.apply(a.sticky(time.Hour, others...)...)
				second := want("it has gone", nil)
				if slices.Equal(first, second) {
					t.Errorf("the client is sent to %v, which has gone", first)
				}
				n.apply(a.sticky(time.Hour, 0, 1, 2)...)
				want("it has come back", second)
			})
		}
	}
}

func TestTheKernelSaysToWhomClientsStick(t *testing.T) {
	n := newNode(t, 2)
	want := func(when string, want ...List) {
		t.Helper()
		got, err := n.kernel.Affinities()
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, error %v; want %v", when, got, err, want)
		}
	}
	want("without clients")
	four, six := n.addressing(IPv4), n.addressing(IPv6)
	n.apply(four.sticky(time.Hour, 1)...)
	n.answers(n.Client, TCP, netip.AddrPortFrom(four.cluster(1), 80), 2)
	n.answers(n.Pods[0], UDP, netip.AddrPortFrom(four.cluster(1), 80), 1)
	want("two clients of one endpoint", 11)
	n.apply(six.sticky(time.Hour, 0)...)
	n.answers(n.Client, TCP, netip.AddrPortFrom(six.cluster(1), 80), 1)
	want("the endpoint has gone, and IPv6 has another", 10, 11)
	if err := n.kernel.Close(); err != nil {
		t.Fatal(err)
	}
	n.kernel = openKernel(t, n.Node.Namespace)
	want("the next process", 10, 11)
	if err := n.kernel.Remove(); err != nil {
		t.Fatal(err)
	}
	want("without a table")
}

func TestClientsStickEachToItsOwn(t *testing.T) {
	n := newNode(t, 3)
	a := n.addressing(IPv4)
	n.install(a.sticky(time.Hour, 0, 1, 2)...)
	const count = 240
	var addresses []string
	for i := range count {
		addresses = append(addresses, netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)}).String()+"/24")
	}
	n.Client.Address("eth0", addresses...)
	ask := func() (hosts []string) {
		err := n.Client.Do(func() error {
			for i := range count {
				host, err := askFrom(t.Context(), netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)}), netip.AddrPortFrom(a.cluster(1), 80))
				if err != nil {
					return err
				}
				hosts = append(hosts, host)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return hosts
	}
	first := ask()
	if second := ask(); !slices.Equal(first, second) {
		t.Errorf("they were sent to %v and then to %v", first, second)
	}
	wantEven(t, first, 3)
}

// askFrom asks over UDP from a certain address, and returns the name of who answers.
func askFrom(ctx context.Context, from netip.Addr, to netip.AddrPort) (string, error) {
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: patience}
	c, err := d.DialContext(ctx, "udp", to.String())
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := c.Write([]byte("?")); err != nil {
		return "", err
	}
	buffer := make([]byte, 128)
	read, err := c.Read(buffer)
	return string(buffer[:min(read, 4)]), err // "pod0"
}

func TestAffinityEndsWithItsTimeout(t *testing.T) {
	n := newNode(t, 2)
	a := n.addressing(IPv4)
	frontend := netip.AddrPortFrom(a.cluster(1), 80)
	n.install(a.sticky(2*time.Second, 0, 1)...)
	began := time.Now()
	n.answers(n.Client, TCP, frontend, 1)
	for time.Since(began) < 3*time.Second {
		n.answers(n.Client, TCP, frontend, 1)
		if len(n.clients(IPv4)) != 1 {
			t.Fatalf("after %s the client no longer sticks, though it connects all the time", time.Since(began))
		}
	}
	last := time.Now()
	for len(n.clients(IPv4)) > 0 {
		if time.Since(last) > 20*time.Second {
			t.Fatal("the client still sticks 20 s after its last connection")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if lived := time.Since(last); lived < 1500*time.Millisecond {
		t.Errorf("the client stuck for %s after its last connection, want 2 s", lived)
	}
}

func TestWhoFindsNoRoomToStickIsServed(t *testing.T) {
	n := newNode(t, 2)
	a := n.addressing(IPv4)
	n.install(a.sticky(time.Hour, 0, 1)...)
	b := newBatch(TableName)
	b.addElements("affinity4", func(yield func(entry) bool) {
		for i := range affinitySize {
			key := newKey(affinityKind, IPv4).number(uint32(i)).address(a.cluster(1)).protocol(UDP).port(1)
			if !yield(entry{key: key.bytes[:16], value: number(10)}) {
				return
			}
		}
	})
	began := time.Now()
	mustCommit(t, n.kernel.socket, b)
	t.Logf("%d clients in %s", affinitySize, time.Since(began))
	if got := n.answers(n.Client, TCP, netip.AddrPortFrom(a.cluster(1), 80), 40); len(got) != 2 {
		t.Errorf("%v, want both endpoints: there is no room to stick to one", got)
	}
}
