package faults

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
	"github.com/portolan-dev/portolan/test/proxysite"
)

const (
	mostTracked  = 1 << 20 // of a larger limit it takes too long to make as many
	stale        = 100_000 // entries that lead where nothing serves any more
	fresh        = 100     // entries, at most, that come as soon as there is room again
	mostResident = 256     // MiB
	// assuredAfter is after how long the kernel takes a UDP flow with answers for a stream; younger ones it drops where it needs room.
	assuredAfter = 2 * time.Second
)

func TestOnANodeWhoseConnectionTrackingIsFullAllThatStandsGoesOn(t *testing.T) {
	t.Parallel() // it is waited for the node-proxy to look
	w := newWorld(t)
	w.start()
	svc := w.put(w.service("web"), w.Local[0], w.Local[1])
	w.settle()
	flows := w.openAtPace(w.both(svc), 20*time.Millisecond)
	time.Sleep(assuredAfter + time.Second)
	w.serve("web", w.Local...) // no flow leads to the last one but those that are made up
	w.settle()
	ask := w.keepAsking()
	before := w.fill()
	if before.Limit > mostTracked {
		t.Skipf("needs net.netfilter.nf_conntrack_max to be at most %d: it is %d, and cannot be set for a namespace", mostTracked, before.Limit)
	}
	began := time.Now()
	w.fillUp(svc)
	t.Logf("%d entries, which are all that there may be, made in %s", w.fill().Entries, time.Since(began))

	w.until("the log says so", func() bool { return strings.Contains(w.proxy.Log(), "The connection tracking is full") })
	if text := ask("/show"); !strings.Contains(text, "the kernel drops new connections") {
		t.Errorf("it shows\n%s", text)
	}
	wantAtLeast(t, ask("/metrics"), metrics.ConntrackEntries, before.Limit)
	// One that has been closed the kernel drops first, for a new one.
	w.until("the kernel takes no new connections", func() bool {
		_, err := w.Client.Ask(t.Context(), "tcp", w.targets(svc, "tcp")[1].at, time.Second)
		return err != nil
	})
	flows.goOn()

	began = time.Now()
	w.serve("web", w.Local[0], w.Local[1]) // which has all entries looked at
	w.until("the stale entries have gone", func() bool { return w.fill().Entries <= before.Limit-stale+fresh })
	t.Logf("%d stale entries of %d had gone after %s", stale, before.Limit, time.Since(began))
	w.wantServed(svc, w.Local[0], w.Local[1])
	w.until("the log says so", func() bool { return strings.Contains(w.proxy.Log(), "The connection tracking has room again") })
	flows.wantOne()
	if most := w.resident("VmHWM"); most > mostResident {
		t.Errorf("it had up to %d MiB", most)
	} else {
		t.Logf("it had up to %d MiB", most)
	}
}

// fill is how full the node's connection tracking is.
func (w *world) fill() (f conntrack.Fill) {
	w.Helper()
	w.must(w.Node.Do(func() error {
		table, err := conntrack.Open()
		if err != nil {
			return err
		}
		defer table.Close()
		f, err = table.Fill()
		return err
	}))
	return f
}

// fillUp makes entries until the kernel takes no more: some of UDP flows by a Service to the last pod, and then some that
// are none of ours. All are as of flows that have been answered: others the kernel drops where it needs room.
func (w *world) fillUp(svc *corev1.Service) {
	w.Helper()
	frontend := netip.AddrPortFrom(netip.MustParseAddr(svc.Spec.ClusterIPs[0]), 80)
	foreign := netip.MustParseAddrPort("203.0.113.99:443")
	w.must(w.Node.Do(func() error {
		s, err := netlink.Open()
		if err != nil {
			return err
		}
		defer s.Close()
		err = track(s, frontend, netip.AddrPortFrom(w.Local[2].IPv4, proxysite.PodPort), 0, stale)
		if err == nil {
			err = track(s, foreign, foreign, stale, 2*mostTracked)
		}
		if !errors.Is(err, unix.ENOMEM) {
			return fmt.Errorf("the connection tracking does not become full: %w", err)
		}
		return nil
	}))
}

// track makes an entry of each of these clients to an address, which was sent on to another one.
func track(s *netlink.Socket, to, on netip.AddrPort, from, until int) error {
	const together = 200
	for ; from < until; from += together {
		var wire netlink.Attributes
		for n := from; n < from+together; n++ {
			trackOne(&wire, netip.AddrPortFrom(netip.AddrFrom4([4]byte{172, byte(16 + n>>16), byte(n >> 8), byte(n)}), 12345), to, on)
		}
		if err := s.Send(wire); err != nil {
			return err
		}
		var refused error
		err := s.Answers(func(a netlink.Answer) { refused = a.Errno })
		if err := errors.Join(refused, err); err != nil {
			return err
		}
	}
	return nil
}

// trackOne is the request for an entry; the numbers are those of linux/netfilter/nfnetlink_conntrack.h.
func trackOne(a *netlink.Attributes, client, to, on netip.AddrPort) {
	tuple := func(attribute uint16, from, to netip.AddrPort) {
		a.Nest(attribute, func() {
			a.Nest(1, func() { // CTA_TUPLE_IP
				a.Bytes(1, from.Addr().AsSlice())
				a.Bytes(2, to.Addr().AsSlice())
			})
			a.Nest(2, func() { // CTA_TUPLE_PROTO
				a.U8(1, unix.IPPROTO_UDP)
				a.U16(2, from.Port())
				a.U16(3, to.Port())
			})
		})
	}
	at := a.Begin(netlink.Header{Kind: unix.NFNL_SUBSYS_CTNETLINK << 8, Flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL, Family: unix.AF_INET})
	tuple(1, client, to)     // CTA_TUPLE_ORIG
	tuple(2, on, client)     // CTA_TUPLE_REPLY
	a.U32(3, 1<<1|1<<2|1<<3) // CTA_STATUS: IPS_SEEN_REPLY, IPS_ASSURED, IPS_CONFIRMED
	a.U32(7, 3600)           // CTA_TIMEOUT
	a.End(at)
}

// keepAsking asks the node-proxy over one connection all the time: no other could be made.
func (w *world) keepAsking() (ask func(path string) string) {
	w.Helper()
	client := w.onNode()
	ask = func(path string) string { return w.get(client, path) }
	ask("/metrics")
	return ask
}

// wantAtLeast wants a metric without labels to have a value of almost as much.
func wantAtLeast(t *testing.T, text, name string, least int) {
	t.Helper()
	for line := range strings.Lines(text) {
		var value float64
		if n, _ := fmt.Sscanf(line, name+" %g", &value); n == 1 {
			if value < 0.99*float64(least) {
				t.Errorf("%s is %v, want about %d", name, value, least)
			}
			return
		}
	}
	t.Errorf("there is no %s", name)
}
