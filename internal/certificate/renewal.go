package certificate

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"time"

	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	corev1 "k8s.io/api/core/v1"
)

// Keys of the Secret's data: the authority's, and the server's, which are those of a TLS Secret.
const (
	authorityCert = "ca.crt"
	authorityKey  = "ca.key"
	serverCert    = corev1.TLSCertKey
	serverKey     = corev1.TLSPrivateKeyKey
)

const (
	authorityName     = "portolan-ca"
	authorityLifetime = 10 * 365 * 24 * time.Hour
	serverLifetime    = 365 * 24 * time.Hour
	// ahead is how long before its end a certificate is renewed.
	ahead = 90 * 24 * time.Hour
	// backdated is how long before its making a certificate becomes valid: clocks differ.
	backdated = time.Hour
)

// renewal is what has to be made anew.
type renewal int

const (
	nothing renewal = iota
	server          // by the same authority
	everything
)

var forServers = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}

// due says what of a Secret's data is missing, broken, made for another name, or near its end.
func due(data map[string][]byte, dnsName string, now time.Time) renewal {
	valid := func(cert, key, name string, usages *[]x509.ExtKeyUsage) bool {
		ok, err := rotator.ValidCert(data[authorityCert], data[cert], data[key], name, usages, now.Add(ahead))
		return ok && err == nil
	}
	switch {
	case !valid(authorityCert, authorityKey, authorityName, nil):
		return everything
	case !valid(serverCert, serverKey, dnsName, &forServers):
		return server
	}
	return nothing
}

// renew returns data with what is to be made anew replaced. The first name is the one that API servers call.
func renew(data map[string][]byte, what renewal, dnsNames []string, now time.Time) (map[string][]byte, error) {
	if what == nothing {
		return data, nil
	}
	maker := rotator.CertRotator{
		CAName: authorityName, CAOrganization: "portolan",
		DNSName: dnsNames[0], ExtraDNSNames: dnsNames[1:], ExtKeyUsages: &forServers,
	}
	begin := now.Add(-backdated)
	authority, err := authorityIn(data)
	if what == everything {
		authority, err = maker.CreateCACert(begin, now.Add(authorityLifetime))
	}
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	cert, key, err := maker.CreateCertPEM(authority, begin, now.Add(serverLifetime))
	if err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	renewed := map[string][]byte{}
	maps.Copy(renewed, data)
	renewed[authorityCert], renewed[authorityKey] = authority.CertPEM, authority.KeyPEM
	renewed[serverCert], renewed[serverKey] = cert, key
	return renewed, nil
}

func authorityIn(data map[string][]byte) (*rotator.KeyPairArtifacts, error) {
	pair, err := tls.X509KeyPair(data[authorityCert], data[authorityKey])
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("its key is a %T, want RSA", pair.PrivateKey)
	}
	return &rotator.KeyPairArtifacts{Cert: pair.Leaf, Key: key, CertPEM: data[authorityCert], KeyPEM: data[authorityKey]}, nil
}

// made is when a certificate of ours was made.
func made(leaf *x509.Certificate) time.Time { return leaf.NotBefore.Add(backdated) }
