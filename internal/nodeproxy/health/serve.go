package health

import (
	"context"
	"net"
	"net/http"
	"time"

	"k8s.io/utils/clock"
)

const (
	// drainTimeout is how long the last answers may take.
	drainTimeout = time.Second
	// RetryPeriod is how often a port is asked for that somebody else has, such as the node-proxy before this one during an
	// update, as with kube-proxy's /healthz.
	RetryPeriod = 5 * time.Second
)

// Listen listens on a host and port. One that somebody else has is tried again every few seconds, until ctx ends: then there
// is no listener. failed is told of it, and again where the reason is another one.
func Listen(ctx context.Context, address string, c clock.WithTicker, failed func(error)) net.Listener {
	retry := c.NewTicker(RetryPeriod)
	defer retry.Stop()
	for said := ""; ctx.Err() == nil; {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err == nil {
			return listener
		}
		if text := err.Error(); text != said {
			said = text
			failed(err)
		}
		select {
		case <-ctx.Done():
		case <-retry.C():
		}
	}
	return nil
}

// serving is one listener and what answers there.
type serving struct {
	server *http.Server
	ended  chan struct{}
}

func serve(l net.Listener, h http.Handler) *serving {
	s := &serving{
		server: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 90 * time.Second},
		ended:  make(chan struct{}),
	}
	go func() {
		defer close(s.ended)
		_ = s.server.Serve(l) // until it is closed
	}()
	return s
}

// close closes the port and all connections to it.
func (s *serving) close() {
	_ = s.server.Close()
	<-s.ended
}

// drain closes the port, and returns when the requests under way are answered. That ctx has ended is of no matter.
func (s *serving) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	_ = s.server.Shutdown(ctx)
	s.close()
}

func writeJSON(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = w.Write(body) // unless the client has gone
}
