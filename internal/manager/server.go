package manager

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

// drainTimeout is how long requests under way may take at most; webhooks give up before.
const drainTimeout = 5 * time.Second

// limits are what somebody who connects may take of the server, be it an API server or not. How long a body may be says
// controller-runtime: 7 MiB.
type limits struct {
	// header and request are how long it may take to send these, answer how long from then to have the answer.
	header, request, answer time.Duration
	// headerBytes is about how long a header may be.
	headerBytes int
	// streams are how many requests of one connection are served at a time. Who takes back what he has asked for does not
	// get to ask for more while that is still being served (CVE-2023-44487).
	streams int
}

// ofAPIServers suits them: they send a request at once, and wait for 30 s at most (timeoutSeconds).
var ofAPIServers = limits{header: 10 * time.Second, request: 10 * time.Second, answer: 40 * time.Second, headerBytes: 16 << 10, streams: 250}

// ciphers are those of TLS 1.2 that authenticate what they encrypt, with keys of one connection. TLS 1.3, which API servers
// speak, has no others.
var ciphers = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// webhookServer serves once there is a certificate, until it is drained. Before and after that its port is closed: API
// servers see at once that nobody is there, and go on without us.
//
// controller-runtime's server, which it is but for its Start, would fail without a certificate, and would cancel the
// requests under way when it is to end.
type webhookServer struct {
	webhook.Server
	address string
	tls     *tls.Config
	limits  limits

	certified <-chan struct{} // closed when there is a certificate
	serving   chan struct{}   // closed when the port is open
	draining  chan struct{}   // closed by drain
	ended     chan struct{}   // closed when Start has returned
}

func newWebhookServer(o Options, c certificateSource) (*webhookServer, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: ciphers, GetCertificate: c.GetCertificate}
	if err := authenticate(config, o.WebhookClientCA); err != nil {
		return nil, err
	}
	return &webhookServer{
		Server:    webhook.NewServer(webhook.Options{}),
		address:   net.JoinHostPort(o.WebhookHost, strconv.Itoa(o.WebhookPort)),
		tls:       config,
		limits:    ofAPIServers,
		certified: c.Ready(),
		serving:   make(chan struct{}),
		draining:  make(chan struct{}),
		ended:     make(chan struct{}),
	}, nil
}

// authenticate has the server talk only to clients with a certificate of the authorities in a file; "" is to everybody.
func authenticate(config *tls.Config, authorities string) error {
	if authorities == "" {
		return nil
	}
	text, err := os.ReadFile(authorities) //nolint:gosec // the operator names his own file
	if err != nil {
		return fmt.Errorf("whom the webhooks are for: %w", err)
	}
	config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !config.ClientCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("whom the webhooks are for: no certificate is in %s", authorities)
	}
	return nil
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
		ReadHeaderTimeout: s.limits.header, ReadTimeout: s.limits.request, WriteTimeout: s.limits.answer,
		MaxHeaderBytes: s.limits.headerBytes, IdleTimeout: 90 * time.Second,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: s.limits.streams},
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
