package integration

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/manager"
	"github.com/portolan-dev/portolan/test/install"
)

// leader is who has the lease; empty: nobody.
func (w *world) leader() string {
	w.Helper()
	lease := &coordinationv1.Lease{}
	err := w.Get(w.Context(), client.ObjectKey{Namespace: install.Namespace, Name: "portolan-manager.portolan.dev"}, lease)
	w.must(client.IgnoreNotFound(err))
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// awaitLeader waits until somebody has the lease who had it not before.
func (w *world) awaitLeader(before string) string {
	w.Helper()
	var now string
	w.eventually("there is a new leader", func() error {
		if now = w.leader(); now == "" || now == before {
			return fmt.Errorf("the lease is %q's", now)
		}
		return nil
	})
	return now
}

// startKillable runs a manager as a process, at a port of its own, with a lease that ends soon after it.
func (w *world) startKillable() (p *install.Process, port int) {
	w.Helper()
	port = freePort(w)
	p, err := w.StartProcess(w.Context(), "", fmt.Sprintf("--webhook-port=%d", port),
		"--leader-elect-lease-duration=3s", "--leader-elect-renew-deadline=2s", "--leader-elect-retry-period=200ms")
	w.must(err)
	w.Cleanup(func() { p.Stop(0) })
	return p, port
}

func impatient(o *manager.Options) {
	o.Lease = manager.Lease{Duration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 200 * time.Millisecond}
}

func TestAfterTheLeaderIsKilledAnotherReplicaBindsTheClaimsMadeMeanwhile(t *testing.T) {
	w := alone(t)
	killable, _ := w.startKillable()
	first := w.awaitLeader("")
	w.start(impatient)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(5), serving(shop))
	killable.Stop(0)
	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	if diff := cmp.Diff(ledger{number(web): "web Pending Automatic team-a"}, w.ledgerOf(shop)); diff != "" || w.leader() != first {
		t.Errorf("the leader is %s, which is dead; the ledger (-want +got)\n%s", w.leader(), diff)
	}
	w.wantLedger(shop, ledger{number(web): "web Bound Automatic team-a"})
	w.awaitLeader(first)
}

func TestALeaderThatShutsDownHandsOverWhileItStillServes(t *testing.T) {
	w := alone(t)
	w.start(func(o *manager.Options) { o.ShutdownDelay = 12 * time.Second })
	old := w.replicas[0]
	first := w.awaitLeader("")
	w.start(func(o *manager.Options) {
		o.WebhookPort = freePort(w)
		o.Lease.RetryPeriod = 200 * time.Millisecond
	})
	ended := make(chan error, 1)
	go func() { ended <- old.Stop() }()
	w.awaitLeader(first)
	shop := w.namespace("shop")
	pool := makePool(w.nameLike("team-a"), w.allot(5), serving(shop))
	w.must(w.Create(t.Context(), pool))
	w.eventually("the old leader goes by the pool", func() error {
		if old.Ledger.Chart().Pool(pool.Name) == nil {
			return errors.New("it does not know it")
		}
		return nil
	})
	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	w.wantLedger(shop, ledger{number(web): "web Bound Automatic team-a"})
	if old.Ended() {
		t.Error("the old leader kept the lease to its end")
	}
	w.must(<-ended)
}

func TestALeaderThatLosesItsLeaseServesUntilItEnds(t *testing.T) {
	w := alone(t)
	port := freePort(w)
	w.start(func(o *manager.Options) {
		impatient(o)
		o.ShutdownDelay, o.ProbeBindAddress = 3*time.Second, fmt.Sprintf("127.0.0.1:%d", port)
	})
	leader := w.replicas[0]
	w.awaitLeader("")
	shop := w.namespace("shop")
	numbers := w.allot(5)
	w.pool("team-a", numbers, serving(shop))
	rights := w.takeAway("rbac.authorization.k8s.io/v1", "RoleBinding", "portolan-leader-election")
	w.eventually("the manager is not ready any more", func() error {
		if status := w.probe(port, "readyz"); status == http.StatusOK {
			return errors.New("it is")
		}
		return nil
	})
	w.wantWithin(w.create(makeService(shop+"/web").NodePort(80, 0)), numbers, 1)
	rights()
	w.forget(leader)
	w.eventually("it ends", func() error {
		if !leader.Ended() {
			return errors.New("it still runs")
		}
		return nil
	})
	if err := leader.Stop(); err == nil || !strings.Contains(err.Error(), "leader election lost") {
		t.Errorf("it ended with %v", err)
	}
}

func TestManagersLiveThroughARestartOfTheAPIServerAndLoseNothing(t *testing.T) {
	w := alone(t)
	w.startReplicas(2)
	shop := w.namespace("shop")
	numbers := v1alpha1.PortRange{From: 31000, To: 31019} // Kubernetes gives these out last of all
	w.pool("team-a", numbers, serving(shop))
	want := ledger{}
	for i := range 5 {
		web := w.create(makeService(fmt.Sprintf("%s/before-%d", shop, i)).NodePort(80, 0))
		want[number(web)] = web.Name + " Bound Automatic team-a"
	}
	w.wantLedger(shop, want)
	w.must(w.Cluster.RestartAPIServer(t.Context()))

	for _, r := range w.replicas {
		if r.Ended() || !r.Ready() {
			t.Error("a manager has not lived through it")
		}
	}
	w.wantLedger(shop, want)
	// The managers may need a moment to find the API server again; whatever is made meanwhile is adopted.
	w.eventually("Services are numbered", func() error {
		generated := makeService(shop+"/").NodePort(80, 0).Obj()
		generated.GenerateName = "after-"
		w.must(w.Create(t.Context(), generated))
		if n := number(generated); !within(numbers, n) {
			want[n] = generated.Name + " Bound Adopted"
			return fmt.Errorf("%s has %d", generated.Name, n)
		}
		want[number(generated)] = generated.Name + " Bound Automatic team-a"
		return nil
	})
	w.wantLedger(shop, want)
}

func TestAManagerKilledBetweenClaimAndServiceLeaksNoNumber(t *testing.T) {
	w := alone(t)
	clock := w.withFakeClock()
	shop := w.namespace("shop")
	numbers := v1alpha1.PortRange{From: 31000, To: 31002} // Kubernetes gives these out last of all
	w.pool("team-a", numbers, serving(shop), holding(0))
	killed, port := w.startKillable()
	w.standIn(&http.Server{Handler: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "https", Host: fmt.Sprintf("127.0.0.1:%d", port)})
		},
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, // of this test to its own process
		ModifyResponse: func(*http.Response) error { // the claim is made, and nobody learns of it
			killed.Stop(0)
			return errors.New("killed")
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}})
	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	leaked := w.ledgerOf(shop)
	if len(leaked) != 1 || leaked[number(web)] != "" {
		t.Fatalf("the Service has %d, and the ledger %v, want a claim of another number", number(web), leaked)
	}

	w.start(func(o *manager.Options) { o.WebhookPort = freePort(w) })
	w.wantAllBound(web)
	clock.SetTime(clock.Now().Add(2 * time.Minute))
	w.lookAgain()
	w.wantLedger(shop, ledger{number(web): "web Bound Adopted"})
}
