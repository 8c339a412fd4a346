package doctor

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/cli/term"
)

// late is how near its end a certificate is where something has kept it from being renewed. Source: package certificate,
// which renews it 90 days before.
const late = 60 * 24 * time.Hour

// certificate looks whether the webhooks' is trusted by those who call them, and for how long.
func certificate(c *Cluster) (r Result) {
	for _, w := range c.webhooks() {
		if len(w.client.CABundle) == 0 {
			r.trouble(w.configuration, fmt.Sprintf("Webhook %s trusts nobody: the manager has not put its CA there, or something took it away, such as a GitOps tool that does not ignore caBundle.", w.name),
				c.restart())
		}
	}
	if r.unseen("secret/"+secretName, c.Secret.Err) {
		return r
	}
	if c.Secret.missing() {
		r.trouble("secret/"+secretName, "It is not there, and the manager, which fills it, may not create it: it has no certificate.",
			fmt.Sprintf("kubectl -n %s create secret generic %s   # cert-manager makes its own, if you have that: kubectl -n %s describe certificates", c.Namespace, secretName, c.Namespace))
		return r
	}
	leaf, err := leafOf(c.Secret.Object)
	object := "secret/" + c.Secret.Object.Name
	if err != nil {
		r.trouble(object, "It has no certificate that can be read: "+err.Error()+".", c.renew())
		return r
	}
	switch left := leaf.NotAfter.Sub(c.Now); {
	case left <= 0:
		r.trouble(object, fmt.Sprintf("The certificate ended %s ago: the API server calls nobody.", term.Age(leaf.NotAfter, c.Now)), c.renew())
	case left < late:
		r.trouble(object, fmt.Sprintf("The certificate ends in %s, and should have been renewed.", term.Until(leaf.NotAfter, c.Now)), c.renew())
	}
	for _, w := range c.webhooks() {
		if err := w.trusts(leaf, c.Now); err != nil && len(w.client.CABundle) > 0 && c.Now.Before(leaf.NotAfter) {
			r.trouble(w.configuration, fmt.Sprintf("Webhook %s does not trust the certificate: %v.", w.name, err), c.restart())
		}
	}
	r.Summary = "ends in " + term.Until(leaf.NotAfter, c.Now)
	return r
}

// renew is the command that has the certificate made anew. Source: docs/howto/renew-certificate.md.
func (c *Cluster) renew() string {
	if c.Secret.Object.Name == certManagerName {
		return fmt.Sprintf("kubectl -n %s describe certificates", c.Namespace)
	}
	return fmt.Sprintf(`kubectl -n %s patch secret %s --type=merge -p '{"data":{"tls.crt":null}}'`, c.Namespace, secretName)
}

// restart has the manager look at the configurations again.
func (c *Cluster) restart() string {
	return fmt.Sprintf("kubectl -n %s rollout restart deployment/%s", c.Namespace, deploymentName)
}

func leafOf(secret *corev1.Secret) (*x509.Certificate, error) {
	block, _ := pem.Decode(secret.Data[corev1.TLSCertKey])
	if block == nil {
		return nil, errors.New("tls.crt is empty")
	}
	return x509.ParseCertificate(block.Bytes)
}

// trusts says why a webhook's caller does not take a certificate; nil: it does.
func (w webhook) trusts(leaf *x509.Certificate, now time.Time) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.client.CABundle)
	o := x509.VerifyOptions{Roots: roots, CurrentTime: now}
	if s := w.client.Service; s != nil {
		o.DNSName = s.Name + "." + s.Namespace + ".svc"
	}
	_, err := leaf.Verify(o)
	return err
}
