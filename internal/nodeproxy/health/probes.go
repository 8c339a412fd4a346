package health

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
)

// Probes serves /healthz and /livez.
type Probes struct {
	// Address is the host and port to listen on.
	Address string
	Proxy   *Proxy
	// Eligible says whether load balancers may choose the node at all, as not when it is about to go. /livez does not ask.
	Eligible func() bool
	// Answered is told of each answer: the path, without its slash, and the code. nil: nobody is.
	Answered func(path string, code int)
	Log      logr.Logger
	Clock    clock.WithTicker
}

// Run serves until ctx ends, and returns when the requests under way are answered. A port that somebody else has is
// tried again every few seconds, and said to the log: of two proxies during an update, the second gets it in time.
func (p Probes) Run(ctx context.Context) {
	listener := Listen(ctx, p.Address, p.Clock, func(err error) {
		p.Log.Info("Cannot serve /healthz and /livez yet, it is tried again every few seconds; kube-proxy, or the node-proxy before this one, may have the port until it ends", "address", p.Address, "reason", err.Error())
	})
	if listener != nil {
		s := serve(listener, p.handler())
		<-ctx.Done()
		s.drain(ctx)
	}
}

func (p Probes) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		r := p.Proxy.report()
		r.NodeEligible = new(p.Eligible())
		p.answer(w, "healthz", r, r.Healthy && *r.NodeEligible)
	})
	mux.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) {
		r := p.Proxy.report()
		p.answer(w, "livez", r, r.Healthy)
	})
	return mux
}

// answer answers yes or no. With a yes, lastUpdated is now, as it was when kube-proxy still synced all the time.
func (p Probes) answer(w http.ResponseWriter, path string, r report, yes bool) {
	code := http.StatusServiceUnavailable
	if yes {
		code = http.StatusOK
		r.LastUpdated = p.Clock.Now()
	}
	if p.Answered != nil {
		p.Answered(path, code)
	}
	body, _ := json.Marshal(r) // cannot fail for times and booleans
	writeJSON(w, code, body)
}
