package faults

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/proxysite"
)

func TestNodePortsFollowTheNodesAddresses(t *testing.T) {
	w := newWorld(t)
	w.start()
	svc := w.put(w.service("web"), w.Local[0])
	w.settle()
	old, changed := w.Node.IPv4, netip.MustParseAddr("192.0.2.77")
	port := w.targets(svc, "tcp")[1].at.Port()
	w.wantNodePort(port, map[netip.Addr]bool{old: true})

	w.Node.Address(proxysite.NodeInterface, changed.String()+"/24")
	w.settle()
	w.wantNodePort(port, map[netip.Addr]bool{old: true, changed: false}) // which is not the Node's primary one

	w.changeNode(func(n *corev1.Node) { n.Status.Addresses[0].Address = changed.String() })
	w.wantNodePort(port, map[netip.Addr]bool{old: false, changed: true})

	w.Node.RemoveAddress(proxysite.NodeInterface, changed.String()+"/24")
	w.until("without the address it is not served", func() bool { return !strings.Contains(w.held().String(), changed.String()) })
	w.Node.Address(proxysite.NodeInterface, changed.String()+"/24")
	w.wantNodePort(port, map[netip.Addr]bool{old: false, changed: true})

	w.changeNode(func(n *corev1.Node) { n.Status.Addresses[0].Address = old.String() })
	w.wantNodePort(port, map[netip.Addr]bool{old: true, changed: false})
	w.wantAsFresh()
}

// wantNodePort waits until a node port is served at some addresses, and refused at others.
func (w *world) wantNodePort(port uint16, at map[netip.Addr]bool) {
	w.Helper()
	for ip, served := range at {
		var err error
		w.until("the node port at "+ip.String(), func() bool {
			_, err = w.Client.Ask(w.Context(), "tcp", netip.AddrPortFrom(ip, port), time.Second)
			return served && err == nil || !served && errors.Is(err, unix.ECONNREFUSED)
		})
	}
}

// changeNode changes the Node object, its status too.
func (w *world) changeNode(change func(*corev1.Node)) {
	w.Helper()
	nodes := w.api().CoreV1().Nodes()
	w.must(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		n, err := nodes.Get(w.Context(), w.NodeName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		change(n)
		status := n.Status
		if n, err = nodes.Update(w.Context(), n, metav1.UpdateOptions{}); err != nil {
			return err
		}
		n.Status = status
		_, err = nodes.UpdateStatus(w.Context(), n, metav1.UpdateOptions{})
		return err
	}))
}

func TestHintsFollowTheNodesZone(t *testing.T) {
	w := newWorld(t)
	w.start()
	svc := w.put(w.service("web"))
	for _, like := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		w.putSlice(w.slice("web", like).
			Endpoint(w.Local[0].AddressLike(like).String(), st.ForZones(proxysite.Zone)).
			Endpoint(w.Remote[0].AddressLike(like).String(), st.ForZones(proxysite.OtherZone)).Obj())
	}
	for _, tc := range []struct {
		zone string
		pod  int
	}{{proxysite.Zone, 0}, {proxysite.OtherZone, 1}, {proxysite.Zone, 0}} {
		w.changeNode(func(n *corev1.Node) { n.Labels[corev1.LabelTopologyZone] = tc.zone })
		w.until("the zone is known", func() bool {
			for range 8 {
				echo, err := w.Client.Ask(t.Context(), "tcp", w.targets(svc, "tcp")[0].at, patience)
				if err != nil || echo.Host != []string{w.Local[0].Name, w.Remote[0].Name}[tc.pod] {
					return false
				}
			}
			return true
		})
	}
}

func TestServiceCIDRsAreFollowed(t *testing.T) {
	w := newWorld(t)
	w.start()
	cidrs := w.api().NetworkingV1().ServiceCIDRs()
	more := &networkingv1.ServiceCIDR{
		ObjectMeta: metav1.ObjectMeta{Name: "more"},
		Spec:       networkingv1.ServiceCIDRSpec{CIDRs: []string{"10.98.0.0/24", "fd00:98::/112"}},
	}
	more, err := cidrs.Create(t.Context(), more, metav1.CreateOptions{})
	w.must(err)
	w.until("the range is known", func() bool { return w.hasRange("10.98.0.0/24") && w.hasRange("fd00:98::/112") })
	if !w.hasRange(proxysite.ServiceRange4) {
		t.Error("the range from before is not known any more")
	}
	w.must(cidrs.Delete(t.Context(), more.Name, metav1.DeleteOptions{}))
	// The one who sees to it that no Service has an address of it takes his time.
	w.must(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if more, err = cidrs.Get(t.Context(), more.Name, metav1.GetOptions{}); err != nil {
			return client.IgnoreNotFound(err)
		}
		more.Finalizers = nil
		_, err = cidrs.Update(t.Context(), more, metav1.UpdateOptions{})
		return client.IgnoreNotFound(err)
	}))
	w.until("the range has gone", func() bool { return !w.hasRange("10.98.0.0/24") })
}

func (w *world) hasRange(text string) bool {
	return strings.Contains(w.held().String(), "\t"+text+"\n")
}

func TestAtAnOrderlyEndNothingLeadsToTheListenerAtLoopback(t *testing.T) {
	w := newWorld(t)
	w.command.Config.Localhost = true
	w.start()
	svc := w.put(w.service("web"), w.Local[0])
	w.settle()
	ask := func() error {
		at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(svc.Spec.Ports[0].NodePort))
		_, err := w.Node.Ask(t.Context(), "tcp", at, patience)
		return err
	}
	for _, end := range []func(){w.end, w.kill} {
		if err := ask(); err != nil {
			t.Errorf("while it runs: %v", err)
		}
		if !strings.Contains(w.listed(), "redirect to") {
			t.Error("while it runs nothing is redirected")
		}
		end()
		if err := ask(); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("when it has ended: %v", err)
		}
		w.start()
	}
	w.end()
	if text := w.listed(); strings.Contains(text, "redirect to") {
		t.Errorf("when it has ended:\n%s", text)
	}
}
