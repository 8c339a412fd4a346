// Package security attacks Portolan as it is installed, as docs/security.md tells: with the tokens of its own parts, as a
// tenant, from a node, from the network, and by reading its logs.
//
// All tests share a control plane whose API server shows the webhooks a certificate, a manager that answers nobody else,
// and where there are rights to it a node with a node-proxy. Both log all that they ever log. They are processes of their
// own, with the tokens of their ServiceAccounts.
package security

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
	"github.com/portolan-dev/portolan/test/cluster"
	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/proxysite"
	"github.com/portolan-dev/portolan/test/testmain"
)

// loudest is as much as the programs can be told to log.
const loudest = "--zap-log-level=10"

// site is what all tests attack.
var site struct {
	*proxysite.Plane
	installation *install.Installation
	manager      *install.Process
	auditLog     string          // what the two ServiceAccounts of ours did
	clientCA     string          // of those whom the webhooks answer
	node         *proxysite.Site // nil without root
	nodeProxy    *proxysite.Proxy
}

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	testmain.Exit(run(m))
}

func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "portolan-security-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	flags, err := apiServerFlags(dir)
	if err != nil {
		return 1, err
	}
	if site.Plane, err = proxysite.StartPlane(ctx, cluster.Options{APIServerFlags: flags}); err != nil {
		return 1, err
	}
	defer site.Stop()
	if site.installation, err = install.Apply(ctx, site.Cluster); err != nil {
		return 1, err
	}
	if site.manager, err = site.installation.StartProcess(ctx, "", loudest, "--webhook-client-ca-file="+site.clientCA, "--shutdown-delay=0s"); err != nil {
		return 1, err
	}
	end, err := testnet.Begin(startNode)
	defer end()
	if err != nil && !errors.Is(err, testnet.ErrSkipped) {
		return 1, err
	}
	return m.Run(), nil
}

func startNode(t testnet.T) (err error) {
	if os.Geteuid() != 0 {
		return testnet.ErrSkipped
	}
	site.node = site.NewSite(context.Background(), t)
	site.nodeProxy, err = site.node.Start(context.Background(), proxysite.Command{Kind: proxysite.NodeProxy, Args: []string{loudest}})
	return err
}

const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, Panic]
rules:
- level: Metadata
  users: ["system:serviceaccount:portolan-system:portolan-controller-manager", "system:serviceaccount:portolan-node:portolan-node-proxy"]
- level: None
`

// admissionConfiguration has the API server show webhooks a certificate: docs/security.md.
const admissionConfiguration = `
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: MutatingAdmissionWebhook
  configuration: &webhooks {apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: %[1]s}
- name: ValidatingAdmissionWebhook
  configuration: *webhooks
`

const webhookKubeconfig = `
apiVersion: v1
kind: Config
users:
- name: "*"
  user: {client-certificate-data: %s, client-key-data: %s}
`

// apiServerFlags writes what the API server is to read, and notes where that is.
func apiServerFlags(dir string) ([]string, error) {
	maker := rotator.CertRotator{CAName: "api-servers", CAOrganization: "test", DNSName: "kube-apiserver",
		ExtKeyUsages: &[]x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	begin, end := time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	ca, err := maker.CreateCACert(begin, end)
	if err != nil {
		return nil, err
	}
	cert, key, err := maker.CreateCertPEM(ca, begin, end)
	if err != nil {
		return nil, err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	site.auditLog, site.clientCA = in("audit.log"), in("ca.crt")
	for name, text := range map[string]string{
		"ca.crt":              string(ca.CertPEM),
		"webhooks.kubeconfig": fmt.Sprintf(webhookKubeconfig, base64.StdEncoding.EncodeToString(cert), base64.StdEncoding.EncodeToString(key)),
		"admission.yaml":      fmt.Sprintf(admissionConfiguration, in("webhooks.kubeconfig")),
		"policy.yaml":         auditPolicy,
	} {
		if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return []string{"--audit-policy-file=" + in("policy.yaml"), "--audit-log-path=" + site.auditLog,
		"--admission-control-config-file=" + in("admission.yaml")}, nil
}

// needNode skips a test where there is no node.
func needNode(t *testing.T) {
	t.Helper()
	if site.node == nil {
		t.Skip("needs root: nodes are network namespaces")
	}
}

// admin is the client of who may do everything.
func admin() client.Client { return site.Objects }
