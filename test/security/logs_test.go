package security

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/proxysite"
)

func TestAtTheHighestVerbosityNoSecretStandsInLogsEventsOrMetrics(t *testing.T) {
	secrets := newMarks()
	secrets.addWebhookKeys(t)
	renew(t)
	secrets.addWebhookKeys(t)
	scraper := scraperToken(t)
	secrets.add("the scraper's token", []byte(scraper))
	secrets.add("a token that is not taken", []byte(forged(scraper)))
	secrets.add("the manager's token", []byte(configFrom(t, site.installation.Kubeconfig).BearerToken))
	texts := map[string][]byte{"the manager's metrics": nil, "events": nil}
	eventually(t, "the scraper may read the manager's metrics", func() (err error) {
		texts["the manager's metrics"], err = scrape(t, scraper)
		return err
	})
	if _, err := scrape(t, forged(scraper)); err == nil {
		t.Fatal("a forged token is taken")
	}
	fail(t)

	if site.node != nil {
		kubeconfig, err := site.KubeconfigOn(t.Context(), site.node.NodeName, install.NodeNamespace, install.NodeServiceAccount)
		must(t, err)
		secrets.add("node-proxy's token", []byte(configFrom(t, kubeconfig).BearerToken))
		texts["node-proxy's metrics"] = nodeMetrics(t)
	}
	events := &eventsv1.EventList{}
	must(t, admin().List(t.Context(), events))
	text, err := json.Marshal(events)
	must(t, err)
	texts["events"] = text
	for _, log := range logs(t) {
		texts[log], err = os.ReadFile(log)
		must(t, err)
		if !bytes.Contains(texts[log], []byte(`"level":"debug"`)) {
			t.Errorf("%s has nothing verbose in it", log)
		}
	}
	for where, text := range texts {
		if found := secrets.in(text); found != "" {
			t.Errorf("%s stands in %s", found, where)
		}
	}
}

// logs are what the programs have written.
func logs(t *testing.T) []string {
	t.Helper()
	found := []string{site.manager.Log}
	if site.node != nil {
		some, err := filepath.Glob(filepath.Join(site.LogDir(), "*"+string(proxysite.NodeProxy)+".log"))
		must(t, err)
		found = append(found, some...)
	}
	if site.node != nil && len(found) < 2 {
		t.Fatalf("there are only %v", found)
	}
	return found
}

func (m *marks) addWebhookKeys(t *testing.T) {
	t.Helper()
	for name, value := range webhookSecret(t).Data {
		if strings.HasSuffix(name, ".key") {
			m.add(name, value)
		}
	}
}

func webhookSecret(t *testing.T) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{}
	must(t, admin().Get(t.Context(), client.ObjectKey{Namespace: install.Namespace, Name: "portolan-webhook-server-cert"}, secret))
	return secret
}

// renew has the manager make another authority and another certificate, as docs/howto/renew-certificate.md has it.
func renew(t *testing.T) {
	t.Helper()
	before := webhookSecret(t)
	must(t, admin().Patch(t.Context(), before.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"data":{"ca.crt":null}}`))))
	eventually(t, "there is another key", func() error {
		if now := webhookSecret(t); len(now.Data["tls.key"]) == 0 || bytes.Equal(now.Data["tls.key"], before.Data["tls.key"]) {
			return fmt.Errorf("the Secret is of version %s, was of %s", now.ResourceVersion, before.ResourceVersion)
		}
		return nil
	})
}

// scraperToken is of a ServiceAccount that may read metrics.
func scraperToken(t *testing.T) string {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceDefault, Name: "scraper"}}
	put(t, account)
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "scraper"}}
	binding.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "portolan-metrics-reader"}
	binding.Subjects = []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}}
	put(t, binding)
	request := &authenticationv1.TokenRequest{}
	must(t, admin().SubResource("token").Create(t.Context(), account, request))
	return request.Status.Token
}

// forged is a token with another signature.
func forged(token string) string {
	signature := strings.LastIndexByte(token, '.') + 1
	return token[:signature] + strings.ToUpper(token[signature:])
}

func scrape(t *testing.T, token string) ([]byte, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/metrics", site.manager.MetricsPort), nil)
	must(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	return answer((&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}).Do(request)) // its certificate is its own
}

func answer(response *http.Response, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, text)
	}
	return text, err
}

// nodeMetrics are read on the node: they are served there only.
func nodeMetrics(t *testing.T) []byte {
	t.Helper()
	there := func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = site.node.Node.Do(func() (err error) {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}
	transport := &http.Transport{DialContext: there, DisableKeepAlives: true}
	text, err := answer((&http.Client{Transport: transport}).Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", proxysite.MetricsPort)))
	must(t, err)
	return text
}

// fail has requests fail: of tenants at the manager, and of the manager at the API server.
func fail(t *testing.T) {
	t.Helper()
	makeNamespace(t, "failing")
	pool := makePool("failing", 30910, 30911, "failing")
	put(t, pool)
	awaitPool(t, pool)
	if err := admin().Create(t.Context(), MakeService("failing/web").NodePort(80, 31555).Obj()); err == nil {
		t.Error("a number of nobody's pool is given")
	}
	put(t, MakeService("failing/web").NodePort(80, 30910).Obj())
	reservation := &v1alpha1.NodePortReservation{ObjectMeta: metav1.ObjectMeta{Namespace: "failing", Name: "promise"}}
	reservation.Spec.ServiceName, reservation.Spec.Ports = "db", []v1alpha1.ReservedPort{{Name: "sql", NodePort: 30910}}
	put(t, reservation)
	role := &rbacv1.ClusterRole{}
	must(t, admin().Get(t.Context(), client.ObjectKey{Name: "portolan-manager-role"}, role))
	rules := role.Rules
	role.Rules = nil
	must(t, admin().Update(t.Context(), role))
	defer func() {
		role.Rules = rules
		must(t, admin().Update(t.Context(), role))
	}()
	put(t, MakeService("failing/late").NodePort(80, 30911).Obj()) // goes on without the manager's consent
	eventually(t, "the manager is denied what it needs", func() error {
		text, err := os.ReadFile(site.manager.Log)
		if err == nil && !bytes.Contains(text, []byte("is forbidden")) {
			err = fmt.Errorf("its log has %d bytes", len(text))
		}
		return err
	})
}
