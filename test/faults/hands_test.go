package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// byHand are commands that somebody with a shell on the node might type.
func (w *world) byHand(svc *corev1.Service) []string {
	return []string{
		"add element inet portolan nodeport-ips4 { 198.51.100.99 }",
		"delete element inet portolan nodeport-ips4 { " + w.Node.IPv4.String() + " }",
		fmt.Sprintf("delete element inet portolan nodeport4 { tcp . %d }", svc.Spec.Ports[0].NodePort),
		"flush chain inet portolan prerouting",
		"flush map inet portolan endpoints4",
		"delete table inet portolan",
		"flush ruleset",
	}
}

func TestWhileANodeProxyRunsNobodyElseChangesItsTable(t *testing.T) {
	w := newWorld(t)
	w.start()
	svc := w.put(w.service("web"), w.Local[0])
	w.settle()
	if out, _ := w.nft("list", "table", "inet", "portolan"); !strings.Contains(out, "flags owner") {
		t.Skip("needs Linux 6.9: tables that have an owner and outlive it")
	}
	before := w.held()
	w.whileConnecting("somebody meddles", w.targets(svc, "tcp"), func() {
		for _, command := range w.byHand(svc) {
			out, err := w.nft(strings.Fields(command)...)
			if command != "flush ruleset" && err == nil { // which leaves out what it may not touch
				t.Errorf("nft %s succeeds: %s", command, out)
			}
		}
	})
	if c := nft.Diff(before, w.held()); !c.Empty() {
		t.Errorf("%v has gone, %v has come", c.Delete, c.Add)
	}
	w.wantServed(svc, w.Local[0])
	w.settle() // what changes then is programmed
}

func TestWhatIsEditedWhileNoNodeProxyRunsTheNextOneMends(t *testing.T) {
	w := newWorld(t)
	w.start()
	svc := w.put(w.service("web"), w.Local[0])
	w.settle()
	for _, command := range w.byHand(svc) {
		w.kill()
		before, _ := w.nft("list", "table", "inet", "portolan")
		if out, err := w.nft(strings.Fields(command)...); err != nil {
			t.Errorf("nft %s: %v\n%s", command, err, out)
		}
		if after, _ := w.nft("list", "table", "inet", "portolan"); after == before && command != "flush ruleset" {
			t.Errorf("nft %s changes nothing", command)
		}
		w.start()
		w.wantServed(svc, w.Local[0])
		if strings.Contains(w.held().String(), "198.51.100.99") {
			t.Errorf("after nft %s: what was added is still there", command)
		}
	}
	w.wantAsFresh()
}

// A table that was there before, and that nobody owned, is like one on a kernel on which tables have no owners.
func TestWhereOthersCanChangeTheTableItIsMendedAfterAWhile(t *testing.T) {
	t.Parallel() // most of the time it waits
	w := newWorld(t)
	out, err := w.nft("add", "table", "inet", "portolan")
	if err != nil {
		t.Fatal(err, out)
	}
	w.start()
	svc := w.put(w.service("web"), w.Local[0])
	w.settle()
	w.wantServed(svc, w.Local[0])
	for _, command := range []string{
		"delete element inet portolan nodeport-ips4 { " + w.Node.IPv4.String() + " }",
		"flush chain inet portolan arriving",
		"add element inet portolan nodeport-ips4 { 198.51.100.99 }",
		"add chain inet portolan their-chain",
		"add rule inet portolan services4 jump their-chain",
		"add set inet portolan their-set { type ipv4_addr; }",
	} {
		if out, err := w.nft(strings.Fields(command)...); err != nil {
			t.Fatalf("nft %s: %v\n%s", command, err, out)
		}
	}
	nodePort := w.targets(svc, "tcp")[1]
	served := func() bool {
		_, err := w.Client.Ask(t.Context(), nodePort.network, nodePort.at, 250*time.Millisecond)
		return err == nil
	}
	if served() {
		t.Errorf("to meddle changes nothing")
	}
	for began := time.Now(); !served(); {
		if time.Since(began) > time.Minute {
			t.Fatal("within a minute it is not mended")
		}
	}
	for _, theirs := range []string{"198.51.100.99", "their-chain", "their-set"} {
		if strings.Contains(w.listed(), theirs) {
			t.Errorf("%s is still there", theirs)
		}
	}
	if !strings.Contains(w.proxy.Log(), "Somebody else has changed the node's table") || w.metric(metrics.Resyncs+`{reason="foreign_change"}`) == 0 {
		t.Errorf("it is not said that the table was changed; the log:\n%s", w.proxy.Log())
	}
	// A change that the kernel refuses for it is noticed at once.
	if out, err := w.nft("flush", "ruleset"); err != nil {
		t.Fatal(err, out)
	}
	w.serve("web", w.Local[1])
	w.settle()
	w.wantServed(svc, w.Local[1])
}
