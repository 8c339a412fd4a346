package cluster_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/test/cluster"
)

const hookYAML = `
apiVersion: v1
kind: Service
metadata: {name: hook}
spec:
  ports: [{port: 443}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: hook}
webhooks:
- name: hook.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  timeoutSeconds: 5
  rules:
  - {apiGroups: [""], apiVersions: [v1], resources: [configmaps], operations: [CREATE]}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}
  clientConfig:
    service: {namespace: default, name: hook}
    caBundle: %s
`

func TestWebhookByServiceReferenceReachesAProcess(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{})
	cert, certPEM := selfSigned(t, "hook.default.svc")
	hook := httptest.NewUnstartedServer(http.HandlerFunc(refuse))
	hook.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	hook.StartTLS()
	defer hook.Close()

	c.ServeService("default", "hook", hook.Listener.Addr().String())
	apply(t, c, fmt.Sprintf(hookYAML, base64.StdEncoding.EncodeToString(certPEM)))
	eventually(t, func(ctx context.Context) error {
		out, err := c.Kubectl(ctx, "create", "configmap", "some", "--dry-run=server").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "no configmaps today") {
			return fmt.Errorf("the webhook's refusal is not in: %s", out)
		}
		return nil
	})
}

// refuse answers an admission review with a refusal.
func refuse(w http.ResponseWriter, r *http.Request) {
	var review admissionv1.AdmissionReview
	body, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(body, &review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	review.Response = &admissionv1.AdmissionResponse{
		UID: review.Request.UID, Result: &metav1.Status{Message: "no configmaps today"},
	}
	_ = json.NewEncoder(w).Encode(review)
}

func selfSigned(t *testing.T, host string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestAPIServerReachesPodsThroughANode(t *testing.T) {
	t.Parallel()
	needRoot(t)
	c := start(t, cluster.Options{Nodes: 2})
	apply(t, c, webYAML)
	kubectl(t, c, "rollout", "status", "deployment/web", "--timeout=90s")
	eventually(t, func(ctx context.Context) error {
		out, err := c.Kubectl(ctx, "get", "--raw", "/api/v1/namespaces/default/services/web:http/proxy/").CombinedOutput()
		if err != nil || !strings.Contains(string(out), `"port":8080`) {
			return fmt.Errorf("through the API server's proxy: %s, error %w", out, err)
		}
		return nil
	})
}
