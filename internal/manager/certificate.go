package manager

import (
	"crypto/tls"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/portolan-dev/portolan/internal/certificate"
)

// certificateSource is where the webhooks' certificate comes from.
type certificateSource interface {
	// Ready is closed once there is one.
	Ready() <-chan struct{}
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// endOf asks when a certificate ends, in Unix time; false while there is none.
func endOf(c certificateSource) func() (float64, bool) {
	return func() (float64, bool) {
		certificate, err := c.GetCertificate(&tls.ClientHelloInfo{})
		if err != nil || certificate.Leaf == nil {
			return 0, false
		}
		return float64(certificate.Leaf.NotAfter.Unix()), true
	}
}

// addCertificate adds what keeps the certificate, or reads what somebody else keeps.
func addCertificate(mgr ctrl.Manager, o Options) (certificateSource, error) {
	if !o.RotateCertificate {
		files := certificate.NewFiles(o.WebhookCertDir)
		return files, mgr.Add(files)
	}
	// API servers go by the real time, whatever the claims' clock says.
	keeper := certificate.NewKeeper(certificateOptions(o), mgr.GetClient(), clock.RealClock{})
	return keeper, keeper.SetUp(mgr, "certificate")
}

func certificateOptions(o Options) certificate.Options {
	service := webhookService + "." + o.Namespace + ".svc"
	return certificate.Options{
		Secret:     types.NamespacedName{Namespace: o.Namespace, Name: certificateSecret},
		Mutating:   mutatingWebhookName,
		Validating: validatingWebhookName,
		DNSNames:   append([]string{service, service + ".cluster.local"}, o.ExtraDNSNames...),
		Settle:     o.CertificateSettle,
	}
}
