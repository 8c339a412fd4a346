package manager

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

// drainTimeout is how long requests under way may take at most; webhooks give up before.
const drainTimeout = 5 * time.Second

// webhookServer serves once there is a certificate, until it is drained. Before and after that its port is closed: API
// servers see at once that nobody is there, and go on without us.
//
// controller-runtime's server, which it is but for its Start, would fail without a certificate, and would cancel the
// requests under way when it is to end.
type webhookServer struct {
	webhook.Server
	address string
	tls     *tls.Config

	certified <-chan struct{} // closed when there is a certificate
	serving   chan struct{}   // closed when the port is open
	draining  chan struct{}   // closed by drain
	ended     chan struct{}   // closed when Start has returned
}

func newWebhookServer(o Options, c certificateSource) *webhookServer {
	return &webhookServer{
		Server:    webhook.NewServer(webhook.Options{}),
		address:   net.JoinHostPort(o.WebhookHost, strconv.Itoa(o.WebhookPort)),
		tls:       &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.GetCertificate},
		certified: c.Ready(),
		serving:   make(chan struct{}),
		draining:  make(chan struct{}),
		ended:     make(chan struct{}),
	}
}

// Start implements manager.Runnable.
func (s *webhookServer) Start(ctx context.Context) error {
	defer close(s.ended)
	select {
	case <-s.certified:
	case <-s.draining:
		return nil
	case <-ctx.Done():
		return nil
	}
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return fmt.Errorf("listen for webhooks: %w", err)
	}
	server := &http.Server{
		Handler: s.WebhookMux(), TLSConfig: s.tls,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 90 * time.Second,
		ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(logf.Log.WithName("webhooks")), slog.LevelError),
	}
	drained := make(chan error, 1)
	go func() { drained <- s.shutDown(ctx, server) }()
	close(s.serving)
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve webhooks: %w", err)
	}
	return <-drained
}

// shutDown waits for drain, or the end of ctx. Then it sends API servers elsewhere with the next request on each
// connection (HTTP/2's GOAWAY), and returns when the requests under way are answered.
func (s *webhookServer) shutDown(ctx context.Context, server *http.Server) error {
	select {
	case <-s.draining:
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if server.Shutdown(ctx) == nil {
		return nil
	}
	return server.Close()
}

// drain ends the serving in order, and returns when it has ended. Call it once.
func (s *webhookServer) drain(ctx context.Context) {
	close(s.draining)
	select {
	case <-s.ended:
	case <-ctx.Done():
	}
}
