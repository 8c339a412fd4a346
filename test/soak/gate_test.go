package soak

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
)

// gate is a manager's way to the API server: it sees each request, and can answer it wrongly.
type gate struct {
	*record
	server *httptest.Server
	link   *link // behind it
	proxy  *httputil.ReverseProxy

	// baseline is the revision that the API server's watch cache had reached before the manager was started.
	baseline atomic.Int64
	// slowLists is for how long lists of what is replayed are kept back.
	slowLists atomic.Int64

	mu     sync.Mutex // guards all below
	random *rand.Rand
	wrong  float64       // the part of requests that is answered wrongly
	leases chan struct{} // closed when leases may be had
}

// newGate leads to the API server of a configuration, by a link.
func newGate(r *record, admin *rest.Config, seed, number uint64) (*gate, error) {
	target, err := url.Parse(admin.Host)
	if err != nil {
		return nil, err
	}
	g := &gate{record: r, random: rand.New(rand.NewPCG(seed, number)), leases: make(chan struct{})}
	close(g.leases)
	if g.link, err = newLink(target.Host); err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(admin.CAData)
	g.proxy = &httputil.ReverseProxy{
		Rewrite:       func(p *httputil.ProxyRequest) { p.SetURL(target) },
		FlushInterval: -1, // watches
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, g.link.address())
			},
			TLSClientConfig:     &tls.Config{RootCAs: roots},
			MaxIdleConnsPerHost: 100,
		},
		ModifyResponse: g.note,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:       quiet,
	}
	g.server = httptest.NewUnstartedServer(g)
	g.server.Config.ErrorLog, g.server.EnableHTTP2 = quiet, true
	g.server.StartTLS() // to nobody else do clients show a token
	return g, nil
}

func (g *gate) close() {
	g.link.close()
	g.server.CloseClientConnections()
	g.server.Close()
}

// answerWrongly has a part of the requests answered wrongly.
func (g *gate) answerWrongly(part float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wrong = part
}

// wrongAnswers are those that a request may get.
var wrongAnswers = []string{"409", "429", "500", "lost"}

// draw is the wrong answer that a request gets; none for watches, which are cut instead.
func (g *gate) draw(r *http.Request) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wrong == 0 || g.random.Float64() >= g.wrong || r.URL.Query().Get("watch") != "" {
		return ""
	}
	wrong := wrongAnswers[g.random.IntN(len(wrongAnswers))]
	if wrong == "409" && r.Method == http.MethodGet {
		return "500"
	}
	return wrong
}

// baselineKey is under which a request's context has the baseline of the manager that sent it.
type baselineKey struct{}

// ServeHTTP implements http.Handler.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = r.WithContext(context.WithValue(r.Context(), baselineKey{}, g.baseline.Load()))
	if isReplay(r) && !pause(r.Context(), time.Duration(g.slowLists.Load())) || isLease(r) && !g.mayLead(r.Context()) {
		return
	}
	answer := g.draw(r)
	if answer != "" {
		g.fault(wrong + answer)
	}
	switch answer {
	case "":
		g.proxy.ServeHTTP(w, r)
	case "409":
		reason := metav1.StatusReasonConflict
		if r.Method == http.MethodPost {
			reason = metav1.StatusReasonAlreadyExists
		}
		refuse(w, http.StatusConflict, reason)
	case "429":
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests)
	case "500":
		refuse(w, http.StatusInternalServerError, metav1.StatusReasonInternalError)
	case "lost":
		g.proxy.ServeHTTP(&lost{header: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	}
}

// isReplay says whether a request is how a manager first learns of Services or claims.
func isReplay(r *http.Request) bool {
	first := r.URL.Query().Get("watch") == "" || r.URL.Query().Get("sendInitialEvents") == "true"
	return r.Method == http.MethodGet && first && (r.URL.Path == "/api/v1/services" || strings.HasSuffix(r.URL.Path, "/nodeportallocations"))
}

// isLease says whether a request is about who leads.
func isLease(r *http.Request) bool { return strings.Contains(r.URL.Path, "/leases") }

// letLead says whether the manager may have the lease.
func (g *gate) letLead(may bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.leases:
		if !may {
			g.leases = make(chan struct{})
		}
	default:
		if may {
			close(g.leases)
		}
	}
}

// mayLead waits until the manager may have the lease. It is false where ctx ends first.
func (g *gate) mayLead(ctx context.Context) bool {
	g.mu.Lock()
	leases := g.leases
	g.mu.Unlock()
	select {
	case <-leases:
		return true
	case <-ctx.Done():
		return false
	}
}

func refuse(w http.ResponseWriter, code int32, reason metav1.StatusReason) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(code))
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: code, Reason: reason, Message: "a fault of the test",
	})
}

// lost is where an answer goes that nobody gets.
type lost struct{ header http.Header }

func (l *lost) Header() http.Header         { return l.header }
func (l *lost) Write(b []byte) (int, error) { return len(b), nil }
func (l *lost) WriteHeader(int)             {}

// note records which manager has made a claim.
func (g *gate) note(answer *http.Response) error {
	r := answer.Request
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/nodeportallocations") || answer.StatusCode != http.StatusCreated {
		return nil
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	claim := &v1alpha1.NodePortAllocation{}
	if err := json.Unmarshal(body, claim); err != nil {
		return fmt.Errorf("a claim that cannot be read: %w", err)
	}
	baseline, _ := r.Context().Value(baselineKey{}).(int64)
	number, _ := allocator.NumberOf(claim)
	g.handout(handout{revision: revisionOf(claim.ResourceVersion), number: number, owner: allocator.OwnerOf(claim), baseline: baseline})
	return nil
}

// pause is false where ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
