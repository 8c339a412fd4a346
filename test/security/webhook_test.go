package security

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/install"
)

// trusted is whom the API server takes for the webhooks.
func trusted(t *testing.T) *x509.CertPool {
	t.Helper()
	configuration := &admissionv1.MutatingWebhookConfiguration{}
	must(t, admin().Get(t.Context(), client.ObjectKey{Name: "portolan-mutating-webhook-configuration"}, configuration))
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(configuration.Webhooks[0].ClientConfig.CABundle) {
		t.Fatal("it trusts nobody")
	}
	return roots
}

func webhookAddress() string { return fmt.Sprintf("127.0.0.1:%d", site.installation.WebhookPort) }

func TestTheWebhooksCertificateIsForTheirNamesAloneAndForServers(t *testing.T) {
	var shown *x509.Certificate
	_, err := tls.Dial("tcp", webhookAddress(), &tls.Config{ServerName: "portolan-webhook-service.portolan-system.svc", RootCAs: trusted(t),
		VerifyConnection: func(s tls.ConnectionState) error {
			shown = s.PeerCertificates[0]
			return nil
		}})
	if shown == nil {
		t.Fatalf("the API server would not take it: %v", err)
	}
	names := []string{"portolan-webhook-service.portolan-system.svc", "portolan-webhook-service.portolan-system.svc.cluster.local",
		"localhost"} // --extra-dns-names
	if !slices.Equal(slices.Sorted(slices.Values(shown.DNSNames)), slices.Sorted(slices.Values(names))) || len(shown.IPAddresses)+len(shown.EmailAddresses)+len(shown.URIs) > 0 {
		t.Errorf("it is for %v %v", shown.DNSNames, shown.IPAddresses)
	}
	if !slices.Equal(shown.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) || shown.IsCA {
		t.Errorf("it is for %v, and signs others: %t", shown.ExtKeyUsage, shown.IsCA)
	}
}

// TestAReviewThatIsForgedIsNotAnswered: an answer tells of a namespace what only its tenants may know.
func TestAReviewThatIsForgedIsNotAnswered(t *testing.T) {
	const review = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE","namespace":"forged",
		"object":{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"forged"},"spec":{"type":"NodePort","ports":[{"port":80}]}}}}`
	makeNamespace(t, "forged")
	pool := makePool("forged", 30900, 30904, "forged")
	put(t, pool)
	awaitPool(t, pool)
	forger := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{ServerName: "localhost", RootCAs: trusted(t)}}}
	response, err := forger.Post("https://"+webhookAddress()+"/mutate--v1-service", "application/json", strings.NewReader(review))
	if err == nil {
		response.Body.Close()
		t.Errorf("it is answered: %s", response.Status)
	}
	svc := MakeService("forged/web").NodePort(80, 0).Obj() // the API server is
	put(t, svc)
	if n := svc.Spec.Ports[0].NodePort; n < 30900 || n > 30904 {
		t.Errorf("its number is %d", n)
	}
}

func TestMetricsAreForThoseWhoMayReadThem(t *testing.T) {
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // its certificate is its own
	ask := func(token string) string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/metrics", site.manager.MetricsPort), nil)
		must(t, err)
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := insecure.Do(request)
		must(t, err)
		response.Body.Close()
		return response.Status
	}
	for name, tc := range map[string]struct{ token, want string }{
		"none":          {"", "401 Unauthorized"},
		"one made up":   {"made-up", "500 Internal Server Error"}, // the filter's answer to what the API server says of it
		"the manager's": {configFrom(t, site.installation.Kubeconfig).BearerToken, "403 Forbidden"},
	} {
		if got := ask(tc.token); got != tc.want {
			t.Errorf("with token %s it is answered %s, want %s", name, got, tc.want)
		}
	}
}

func TestTheManagerLeavesItsKeyInItsSecretAlone(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: "portolan-webhook-server-cert"}}
	must(t, admin().Get(t.Context(), client.ObjectKeyFromObject(secret), secret))
	key := newMarks()
	for name, value := range secret.Data {
		if strings.HasSuffix(name, ".key") {
			key.add(name, value)
		}
	}
	mode := func(path string) os.FileMode {
		info, err := os.Stat(path)
		must(t, err)
		return info.Mode().Perm()
	}
	// What the kubelet would mount of it, in this installation by the test's own hands.
	mounted := site.installation.CertDir
	if got := mode(mounted); got != 0o700 {
		t.Errorf("where it is mounted is %o", got)
	}
	if got := mode(filepath.Join(mounted, "tls.key")); got != 0o600 {
		t.Errorf("the mounted key is %o", got)
	}
	where := filepath.Dir(site.LogDir()) // the manager's working directory
	must(t, filepath.WalkDir(where, func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // gone meanwhile
		case path == mounted, entry.Name() == "etcd" && entry.IsDir():
			return filepath.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path) //nolint:gosec // in a directory of the test's own
		if found := key.in(text); err == nil && found != "" {
			t.Errorf("%s of the webhooks stands in %s", found, path)
		}
		return nil
	}))
}
