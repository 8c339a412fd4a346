package certificate

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"time"
)

// maxTrusted is how many authorities a bundle trusts at most: the present one and those before it.
const maxTrusted = 3

// trusting returns a bundle that trusts an authority beside those that the bundle trusts already: whatever replicas
// still serve, or serve already, is trusted. Authorities that have ended go, and the oldest where there are too many.
// A bundle that is right is returned as it is.
func trusting(bundle, authority []byte, now time.Time) []byte {
	present := certificatesIn(authority)
	if len(present) == 0 {
		return bundle
	}
	found := certificatesIn(bundle)
	kept := slices.DeleteFunc(slices.Clone(found), func(c *x509.Certificate) bool { return now.After(c.NotAfter) })
	if !slices.ContainsFunc(kept, present[0].Equal) {
		kept = slices.Insert(kept, 0, present[0])
		kept = kept[:min(len(kept), maxTrusted)]
	}
	if slices.EqualFunc(found, kept, (*x509.Certificate).Equal) {
		return bundle
	}
	return encode(kept)
}

// trusts says whether an API server with this bundle takes the certificate for the name that it calls.
func trusts(bundle []byte, leaf *x509.Certificate, dnsName string, now time.Time) bool {
	roots := x509.NewCertPool()
	for _, c := range certificatesIn(bundle) {
		roots.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: dnsName, KeyUsages: forServers, CurrentTime: now})
	return err == nil
}

// certificatesIn are those that can be read of PEM blocks, in their order.
func certificatesIn(text []byte) []*x509.Certificate {
	var found []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return found
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			found = append(found, c)
		}
	}
}

func encode(certificates []*x509.Certificate) []byte {
	var text bytes.Buffer
	for _, c := range certificates {
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // to memory
	}
	return text.Bytes()
}
