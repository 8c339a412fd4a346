package manager

import (
	"errors"
	"net/http"

	"github.com/portolan-dev/portolan/internal/allocator"
)

func (m *Manager) addChecks() error {
	alive := func(*http.Request) error { return nil }
	if err := m.AddHealthzCheck("alive", alive); err != nil {
		return err
	}
	for name, check := range map[string]func(*http.Request) error{
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
	} {
		if err := m.AddReadyzCheck(name, check); err != nil {
			return err
		}
	}
	return nil
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
