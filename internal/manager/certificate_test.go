package manager

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"
)

// kept is a certificateSource.
type kept struct {
	certificate *tls.Certificate
	err         error
}

func (kept) Ready() <-chan struct{} { return nil }

func (k kept) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return k.certificate, k.err
}

func TestTheEndOfACertificateIsKnownOnceThereIsOne(t *testing.T) {
	end := time.Unix(1_800_000_000, 0)
	for _, tc := range []struct {
		name string
		kept
		want  float64
		known bool
	}{
		{"there is none", kept{err: errors.New("none yet")}, 0, false},
		{"it has not been parsed", kept{certificate: &tls.Certificate{}}, 0, false},
		{"there is one", kept{certificate: &tls.Certificate{Leaf: &x509.Certificate{NotAfter: end}}}, 1_800_000_000, true},
	} {
		if got, known := endOf(tc.kept)(); got != tc.want || known != tc.known {
			t.Errorf("%s: %v, %t", tc.name, got, known)
		}
	}
}
