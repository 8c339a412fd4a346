package integration

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/manager"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// startReplicas runs several managers, each with a port of its own, and takes turns among them with each request
// that the API server sends: the two webhooks of one Service are answered by different replicas.
func (w *world) startReplicas(count int) {
	w.Helper()
	var backends []*url.URL
	for range count {
		port := freePort(w)
		w.start(func(o *manager.Options) { o.WebhookPort = port })
		backends = append(backends, &url.URL{Scheme: "https", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	var turn atomic.Int32
	balancer := &http.Server{Handler: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(backends[int(turn.Add(1))%count])
		},
		Transport: &http.Transport{ // of this process to itself
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		},
	}}
	w.standIn(balancer)
}

// standIn has a server answer where the API server calls the webhooks, with their certificate.
func (w *world) standIn(server *http.Server) {
	w.Helper()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", w.WebhookPort))
	w.must(err)
	w.Cleanup(func() { _ = server.Close() })
	w.eventually("the certificate is mounted", func() error {
		certificate, err := tls.LoadX509KeyPair(filepath.Join(w.CertDir, "tls.crt"), filepath.Join(w.CertDir, "tls.key"))
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
		return err
	})
	go func() { _ = server.ServeTLS(listener, "", "") }()
}

func freePort(w *world) int {
	w.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func TestTwoReplicasRacingForTheLastPortsGiveOutEachOnceAndRefuseNobodyNeedlessly(t *testing.T) {
	w := alone(t)
	w.startReplicas(2)
	const size = 24
	for i, asked := range []int{size - 1, size, size, size + 1, 40} {
		t.Run(fmt.Sprintf("%d want one of %d", asked, size), func(t *testing.T) {
			w := *w
			w.T = t
			from := int32(31100 + i*size)
			w.race(v1alpha1.PortRange{From: from, To: from + size - 1}, asked)
		})
	}
}

// race has so many Services of three namespaces ask for a number of a pool at the same time.
func (w *world) race(numbers v1alpha1.PortRange, asked int) {
	w.Helper()
	size := int(numbers.To - numbers.From + 1)
	namespaces := []string{w.namespace("shop"), w.namespace("shop"), w.namespace("shop")}
	pool := w.pool("team-a", numbers, serving(namespaces...))
	var mu sync.Mutex // guards owners and refused
	owners, refused := map[int32]string{}, 0
	var wg sync.WaitGroup
	for i := range asked {
		wg.Go(func() {
			name := fmt.Sprintf("%s/web-%d", namespaces[i%len(namespaces)], i)
			svc, err := w.tryCreate(makeService(name).NodePort(80, 0))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case apierrors.IsInvalid(err):
				refused++
			case err != nil:
				w.Errorf("%s: %v", name, err)
			case owners[number(svc)] != "" || !within(numbers, number(svc)):
				w.Errorf("%s got %d, which %q has", name, number(svc), owners[number(svc)])
			default:
				owners[number(svc)] = name
			}
		})
	}
	wg.Wait()
	if given := min(asked, size); len(owners) != given || refused != asked-given {
		w.Errorf("%d Services got a number and %d were refused, want %d and %d", len(owners), refused, given, asked-given)
	}
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: int32(size), Bound: int32(len(owners)), Free: int32(size - len(owners))})
	for _, namespace := range namespaces {
		for n, entry := range w.ledgerOf(namespace) {
			if want := strings.TrimPrefix(owners[n], namespace+"/") + " Bound Automatic team-a"; entry != want {
				w.Errorf("the ledger has %q for %d, want %q", entry, n, want)
			}
		}
	}
}

func TestOfTwoServicesThatWantOneNumberOneGetsIt(t *testing.T) {
	w := alone(t)
	w.startReplicas(2)
	shop, other := w.namespace("shop"), w.namespace("other")
	numbers := w.allot(10)
	w.pool("team-a", numbers, serving(shop, other))
	for n := numbers.From; n <= numbers.To; n++ {
		names := []string{fmt.Sprintf("%s/web-%d", shop, n), fmt.Sprintf("%s/web-%d", other, n)}
		errs := make([]error, len(names))
		var wg sync.WaitGroup
		for i, name := range names {
			wg.Go(func() { _, errs[i] = w.tryCreate(makeService(name).NodePort(80, n)) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
				continue
			}
			w.wantRefusal(err, "already allocated")
		}
		if won != 1 {
			t.Errorf("%d of 2 got %d: %v", won, n, errs)
		}
	}
	w.eventually("each number is bound once", func() error {
		bound := 0
		for _, namespace := range []string{shop, other} {
			for n, entry := range w.ledgerOf(namespace) {
				if entry != fmt.Sprintf("web-%d Bound Explicit team-a", n) {
					return fmt.Errorf("%d is %q", n, entry)
				}
				bound++
			}
		}
		if bound != 10 {
			return fmt.Errorf("%d numbers are bound", bound)
		}
		return nil
	})
}

func TestManyPortsOfOneService(t *testing.T) {
	w := alone(t)
	w.start(nil)
	shop, commons := w.namespace("shop"), w.namespace("commons")
	numbers := v1alpha1.PortRange{From: 31000, To: 31149}
	pool := w.pool("team-a", numbers, serving(shop), func(s *v1alpha1.NodePortPoolSpec) { s.MaxPortsPerService = 100 })
	ports := func(name string, count int32) *Service {
		svc := makeService(name)
		for i := range count {
			svc.NodePort(1000+i, 0, Named(fmt.Sprintf("p%d", i)))
		}
		return svc
	}
	w.wantWithin(w.create(ports(shop+"/hundred", 100)), numbers, 100)
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 150, Bound: 100, Free: 50})
	_, err := w.tryCreate(ports(shop+"/more", 101))
	w.wantRefusal(err, `pool "team-a" allows 100 node ports in a Service, 101 are asked for`)
	_, err = w.tryCreate(ports(shop+"/rest", 51))
	w.wantRefusal(err, `too few node ports are free in the ranges of namespace "shop" (pool "team-a": 100 of 150 in use or held)`)
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 150, Bound: 100, Free: 50})

	// Where there are pools, the numbers of none are shared out too; where there is none, all is as without us.
	huge := ports(commons+"/huge", 300)
	_, err = w.tryCreate(huge)
	w.wantRefusal(err, `namespace "commons" may have 100 node ports in a Service, 300 are asked for`)
	w.must(w.Delete(t.Context(), pool))
	w.eventually("the pool is gone", func() error {
		if known := w.replicas[0].Ledger.Chart().Pool(pool.Name); known != nil {
			return fmt.Errorf("the manager still has it")
		}
		return nil
	})
	w.wantAdopted(w.create(huge), 300)
}

// wantAdopted waits until all numbers of a Service, so many, are in the ledger.
func (w *world) wantAdopted(svc *corev1.Service, count int) {
	w.Helper()
	if got := len(numbersOf(svc)); got != count {
		w.Fatalf("got %d numbers, want %d", got, count)
	}
	w.eventually("all are adopted", func() error {
		if got := len(w.ledgerOf(svc.Namespace)); got != count {
			return fmt.Errorf("%d are in the ledger", got)
		}
		return nil
	})
}
