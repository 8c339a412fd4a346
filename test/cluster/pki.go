package cluster

import (
	"errors"
	"os"
	"path/filepath"
)

// pki is every key of a cluster. The files are for the control plane's flags; clients get theirs in kubeconfigs.
type pki struct {
	dir        string
	cluster    *authority // API server's serving certificate, and all its clients
	etcd       *authority // etcd and its one client: no other client certificate opens it
	frontProxy *authority // the API server towards aggregated API servers
}

func newPKI(dir string, apiServerHosts []string) (*pki, error) {
	p := &pki{dir: dir}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	var errs [3]error
	p.cluster, errs[0] = newAuthority("portolan-demo-cluster")
	p.etcd, errs[1] = newAuthority("portolan-demo-etcd")
	p.frontProxy, errs[2] = newAuthority("portolan-demo-front-proxy")
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	return p, errors.Join(
		p.writeAuthorities(),
		p.writePair("apiserver")(p.cluster.server("kube-apiserver", apiServerHosts...)),
		p.writePair("kubelet-client")(p.cluster.client(kubeletClient)),
		p.writePair("controller-manager")(p.cluster.server("kube-controller-manager", loopback, "localhost")),
		p.writePair("scheduler")(p.cluster.server("kube-scheduler", loopback, "localhost")),
		p.writePair("etcd")(p.etcd.peer("etcd", loopback, "localhost")),
		p.writePair("etcd-client")(p.etcd.client("kube-apiserver")),
		p.writePair("front-proxy-client")(p.frontProxy.client("front-proxy-client")),
		p.writeSigningKey(),
	)
}

func (p *pki) file(name string) string { return filepath.Join(p.dir, name) }

func (p *pki) writePair(name string) func(keyPair, error) error {
	return func(pair keyPair, err error) error {
		if err != nil {
			return err
		}
		return pair.write(p.file(name))
	}
}

func (p *pki) writeAuthorities() error {
	clusterKey, err := encodeKey(p.cluster.key)
	return errors.Join(err,
		keyPair{cert: p.cluster.pem, key: clusterKey}.write(p.file("ca")), // the controller manager signs requests with it
		os.WriteFile(p.file("etcd-ca.crt"), p.etcd.pem, 0o600),
		os.WriteFile(p.file("front-proxy-ca.crt"), p.frontProxy.pem, 0o600),
	)
}

func (p *pki) writeSigningKey() error {
	private, public, err := newSigningKey()
	return errors.Join(err,
		os.WriteFile(p.file("service-account.key"), private, 0o600),
		os.WriteFile(p.file("service-account.pub"), public, 0o600),
	)
}
