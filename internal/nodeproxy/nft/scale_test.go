package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// services are n Services with two endpoints each, four elements a Service.
func services(n int) []Element {
	var elements []Element
	for i := range uint32(n) {
		service := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 10<<24|96<<16+i+1)))
		elements = append(elements, ClusterIP(service), ServiceFrontend(service, TCP, 80, Word{Balance(2), List(i + 1)}))
		elements = append(elements, endpointsOf(i, 2)...)
	}
	return elements
}

func endpointsOf(service uint32, n int) []Element {
	var elements []Element
	for slot := range n {
		pod := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 172<<24|16<<16+4*service+uint32(slot))))
		elements = append(elements, Endpoint(List(service+1), slot, netip.AddrPortFrom(pod, 8080)))
	}
	return elements
}

// oneMore and oneLess are the changes between two and three endpoints of a Service.
func oneMore(i uint32) Change {
	service := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 10<<24|96<<16+i+1)))
	two := ServiceFrontend(service, TCP, 80, Word{Balance(2), List(i + 1)})
	three := ServiceFrontend(service, TCP, 80, Word{Balance(3), List(i + 1)})
	return Change{Delete: []Element{two}, Add: append(endpointsOf(i, 3)[2:], three)}
}

func oneLess(i uint32) Change {
	c := oneMore(i)
	return Change{Delete: c.Add, Add: c.Delete}
}

// spent is how long something takes, and how much of it this process works: the rest is others' on the same machine.
type spent struct{ wall, cpu time.Duration }

func (s spent) String() string {
	return fmt.Sprintf("%s (%s of CPU)", s.wall.Round(10*time.Microsecond), s.cpu.Round(10*time.Microsecond))
}

func timed(t *testing.T, f func()) spent {
	t.Helper()
	began, before := time.Now(), processorTime(t)
	f()
	return spent{time.Since(began), processorTime(t) - before}
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// changeTimes are how long one change takes, in order.
func changeTimes(t *testing.T, k *Kernel, services int) []time.Duration {
	t.Helper()
	var times []time.Duration
	for i := range 200 {
		service := uint32(i * 7919 % services)
		for _, c := range []Change{oneMore(service), oneLess(service)} {
			began := time.Now()
			if err := k.Apply(c); err != nil {
				t.Fatal(err)
			}
			times = append(times, time.Since(began))
		}
	}
	slices.Sort(times)
	return times
}

// size is how long a batch is.
type size struct{ messages, bytes int }

// sizeOf is the size of the batch that a change is sent as. It is not sent.
func sizeOf(t *testing.T, k *Kernel, c Change) (s size) {
	t.Helper()
	b := newBatch(TableName)
	if _, err := k.write(b, changeSteps([]Change{c})); err != nil {
		t.Fatal(err)
	}
	wire := b.finish()
	err := netlink.Messages(wire, func(netlink.Message) error {
		s.messages++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.bytes = len(wire)
	return s
}

func TestNothingButElementsGrowsWithServices(t *testing.T) {
	type counts struct {
		chains, sets, rules int
		change              size
	}
	var before *counts
	for _, n := range []int{1, 100, 5000, 50000} {
		k := openKernel(t, testnet.New(t))
		mustRead(t, k)
		want := services(n)
		install := timed(t, func() {
			if err := k.Install(Rules{}, Change{Add: want}); err != nil {
				t.Fatal(err)
			}
		})
		var have Table
		read := timed(t, func() { have = mustRead(t, k) })
		if len(have) != len(want) {
			t.Errorf("%d Services: %d elements, want %d", n, len(have), len(want))
		}
		t.Logf("%d Services, %d elements: installed in %s, read in %s", n, len(want), install, read)
		times := changeTimes(t, k, n)
		t.Logf("%d Services: one change %s (p50), %s (p99)", n, times[len(times)/2], times[len(times)*99/100])
		now := counts{countObjects(t, k.socket, chainObjects), countObjects(t, k.socket, setObjects), countObjects(t, k.socket, ruleObjects), sizeOf(t, k, oneMore(0))}
		t.Logf("%d Services: %+v", n, now)
		if before != nil && *before != now {
			t.Errorf("%d Services: %+v; with fewer, %+v", n, now, *before)
		}
		before = &now
		action := timed(t, func() {
			if err := k.Apply(Change{Add: []Element{NodePort(IPv4, TCP, 30000, Word{Stick(7, time.Hour), 1})}}); err != nil {
				t.Fatal(err)
			}
		})
		t.Logf("%d Services: an action that is new in %s", n, action)
		if err := k.Remove(); err != nil {
			t.Fatal(err)
		}
	}
}

// policies are n ports of the node with a list each of a hundred sources, all but a few of them /24, and a few single
// addresses that are excepted.
func policies(n int) []Element {
	var elements []Element
	for i := range uint32(n) {
		port, list := uint16(20000+i), ACL(i+1)
		elements = append(elements, Use(TCP, port), Guarded(IPv4, TCP, port, list))
		for j := range uint32(95) {
			elements = append(elements, grantTo(list, i*95+j, 24, Pass()))
		}
		for j := range uint32(5) {
			elements = append(elements, grantTo(list, (i*95+j)<<8+7, 32, Deny()))
		}
	}
	return elements
}

// grantTo grants the n-th prefix of a length from 10.0.0.0 on.
func grantTo(list ACL, n uint32, bits int, a Action) Element {
	address := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 10<<24+n<<(32-bits))))
	return Grant(list, netip.PrefixFrom(address, bits), a)
}

func TestNothingButElementsGrowsWithPolicies(t *testing.T) {
	type counts struct {
		chains, sets, rules int
		change              size
	}
	var before *counts
	for _, n := range []int{1, 100, 1000} {
		k := openKernel(t, testnet.New(t))
		mustRead(t, k)
		want := policies(n)
		install := timed(t, func() {
			if err := k.Install(Rules{GuardOnly: true}, Change{Add: want}); err != nil {
				t.Fatal(err)
			}
		})
		var have Table
		read := timed(t, func() { have = mustRead(t, k) })
		if len(have) != len(want) {
			t.Errorf("%d policies: %d elements, want %d", n, len(have), len(want))
		}
		t.Logf("%d policies of 100 ranges, %d elements: installed in %s, read in %s", n, len(want), install, read)
		uses := timed(t, func() {
			if _, err := k.Uses(); err != nil {
				t.Fatal(err)
			}
		})
		times := grantTimes(t, k, n)
		t.Logf("%d policies: one range changed %s (p50), %s (p99); counters read in %s", n, times[len(times)/2], times[len(times)*99/100], uses)
		length := timed(t, func() {
			if err := k.Apply(Change{Add: []Element{Grant(1, netip.MustParsePrefix("172.16.0.0/12"), Pass())}}); err != nil {
				t.Fatal(err)
			}
		})
		t.Logf("%d policies: a length that is new in %s", n, length)
		now := counts{countObjects(t, k.socket, chainObjects), countObjects(t, k.socket, setObjects), countObjects(t, k.socket, ruleObjects), sizeOf(t, k, Change{Add: []Element{grantTo(1, 1<<18, 24, Pass())}})}
		t.Logf("%d policies: %+v", n, now)
		if before != nil && *before != now {
			t.Errorf("%d policies: %+v; with fewer, %+v", n, now, *before)
		}
		before = &now
	}
}

// grantTimes are how long it takes to put one range of a list in place of another, in order.
func grantTimes(t *testing.T, k *Kernel, policies int) []time.Duration {
	t.Helper()
	var times []time.Duration
	for i := range uint32(200) {
		list := ACL(i*7919%uint32(policies) + 1)
		change := Change{Add: []Element{grantTo(list, 1<<17+i, 24, Pass())}}
		for range 2 {
			began := time.Now()
			if err := k.Apply(change); err != nil {
				t.Fatal(err)
			}
			times = append(times, time.Since(began))
			change = Change{Delete: change.Add, Add: []Element{grantTo(list, 1<<17+1000+i, 24, Pass())}}
		}
	}
	slices.Sort(times)
	return times
}
