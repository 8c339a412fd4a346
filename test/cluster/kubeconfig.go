package cluster

import (
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfig is a way into the cluster: where the API server is, and as whom.
type kubeconfig struct {
	server string
	ca     []byte
	user   string
	cert   keyPair // either a certificate
	token  string  // or a token
}

func (k kubeconfig) config() clientcmdapi.Config {
	return clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{
			"portolan-demo": {Server: k.server, CertificateAuthorityData: k.ca},
		},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{
			k.user: {ClientCertificateData: k.cert.cert, ClientKeyData: k.cert.key, Token: k.token},
		},
		Contexts: map[string]*clientcmdapi.Context{
			"portolan-demo": {Cluster: "portolan-demo", AuthInfo: k.user, Namespace: "default"},
		},
		CurrentContext: "portolan-demo",
	}
}

func (k kubeconfig) write(path string) error {
	return clientcmd.WriteToFile(k.config(), path)
}

// kubeconfigFor makes a kubeconfig for a user with a certificate of its own.
func (c *Cluster) kubeconfigFor(server, user string, groups ...string) (kubeconfig, error) {
	cert, err := c.pki.cluster.client(user, groups...)
	return kubeconfig{server: server, ca: c.pki.cluster.pem, user: user, cert: cert}, err
}

// writeKubeconfig puts such a kubeconfig into the state directory and returns its path.
func (c *Cluster) writeKubeconfig(file, server, user string, groups ...string) (string, error) {
	k, err := c.kubeconfigFor(server, user, groups...)
	if err != nil {
		return "", err
	}
	path := c.state.path(file)
	return path, k.write(path)
}

// KubeconfigOf writes a kubeconfig for a user in groups, with a certificate, for a process on the host. It goes with Stop.
func (c *Cluster) KubeconfigOf(user string, groups ...string) (path string, err error) {
	return c.writeKubeconfig("host-"+strings.ReplaceAll(user, ":", "-")+".kubeconfig", c.url, user, groups...)
}
