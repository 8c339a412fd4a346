package manager

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/healthz"

	"github.com/portolan-dev/portolan/internal/allocator"
)

// serveProbes answers /healthz and /readyz until stop. controller-runtime's manager would answer them as well, but not
// while the kinds are waited for: the kubelet would kill us for that.
func (m *Manager) serveProbes() (stop func(), err error) {
	if m.options.ProbeBindAddress == "" || m.options.ProbeBindAddress == "0" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", m.options.ProbeBindAddress)
	if err != nil {
		return nil, fmt.Errorf("listen for probes: %w", err)
	}
	mux := http.NewServeMux()
	for path, checks := range map[string]map[string]healthz.Checker{"/healthz": {"alive": healthz.Ping}, "/readyz": m.checks()} {
		handler := http.StripPrefix(path, &healthz.Handler{Checks: checks})
		mux.Handle(path, handler)
		mux.Handle(path+"/", handler) // one check by its name
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // until stop
	return func() { _ = server.Close() }, nil
}

// checks are what readiness is made of.
func (m *Manager) checks() map[string]healthz.Checker {
	return map[string]healthz.Checker{
		"certificate": func(*http.Request) error {
			return closed(m.certificate.Ready(), "there is no certificate yet that the webhook configurations trust")
		},
		"ledger":   func(*http.Request) error { return m.ledgerReady() },
		"webhooks": func(*http.Request) error { return closed(m.webhooks.serving, "the webhooks are not served yet") },
		"serving": func(*http.Request) error {
			if closed(m.stopping, "") == nil {
				return errors.New("shutting down")
			}
			return nil
		},
	}
}

// ledgerReady is nil once numbers may be handed out.
func (m *Manager) ledgerReady() error {
	if closed(m.fed, "") != nil || !m.Ledger.Ready() {
		return allocator.ErrNotReady
	}
	return nil
}

// closed is nil once c is closed.
func closed(c <-chan struct{}, otherwise string) error {
	select {
	case <-c:
		return nil
	default:
		return errors.New(otherwise)
	}
}

// Ready says whether the manager would answer an admission request.
func (m *Manager) Ready() bool {
	return closed(m.webhooks.serving, "") == nil && m.ledgerReady() == nil // and so there is a certificate
}
