package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
)

func TestTheKubeletServesTheAPIServerAloneAndSaysWhatIsNotThere(t *testing.T) {
	ours, theirs := makeAuthority(t), makeAuthority(t)
	node := &Node{Machine: &Machine{Name: "node-1", IP: net.IPv4(127, 0, 0, 1)}}
	config, err := (&pki{cluster: ours}).kubelet(node)
	if err != nil {
		t.Fatal(err)
	}
	pods := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	if err := pods.Add(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web"}}},
	}); err != nil {
		t.Fatal(err)
	}
	a := &agent{node: node, lister: corelisters.NewPodLister(pods)}
	mux := http.NewServeMux()
	mux.HandleFunc(execPath, a.serveExec)
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = quiet
	server.TLS = config
	server.StartTLS()
	defer server.Close()

	for _, tc := range []struct {
		name   string
		by     *authority
		user   string
		path   string
		status int // 0: there is no connection
		says   string
	}{
		{"another cluster's API server", theirs, kubeletClient, "/exec/default/web/web", 0, ""},
		{"a user of this cluster", ours, "portolan-demo-admin", "/exec/default/web/web", http.StatusForbidden, "user=portolan-demo-admin"},
		{"a Pod that is not there", ours, kubeletClient, "/exec/default/none/web", http.StatusNotFound, "pod does not exist"},
		{"a container that is not there", ours, kubeletClient, "/exec/default/web/none", http.StatusInternalServerError, `container not found ("none")`},
		{"a Pod that is an echo server", ours, kubeletClient, "/exec/default/web/web", http.StatusNotImplemented, "echo server"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client := clientOf(t, ours, tc.by, tc.user)
			defer client.CloseIdleConnections()
			response, err := client.Post(server.URL+tc.path+"?command=sh&output=1", "", nil)
			if err != nil {
				if tc.status != 0 {
					t.Error(err)
				}
				return
			}
			defer response.Body.Close()
			said, _ := io.ReadAll(response.Body)
			if response.StatusCode != tc.status || !strings.Contains(string(said), tc.says) {
				t.Errorf("%s: %s, want %d and %q", response.Status, said, tc.status, tc.says)
			}
		})
	}
}

func makeAuthority(t *testing.T) *authority {
	t.Helper()
	a, err := newAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// clientOf trusts one authority, and says who it is by another's word.
func clientOf(t *testing.T, trusts, by *authority, user string) *http.Client {
	t.Helper()
	pair, err := by.client(user)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pair.cert, pair.key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(trusts.cert)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}}}}
}

func TestAContainerHasItsProgramAndNothingElse(t *testing.T) {
	c := Container{Program: "/opt/node-proxy"}
	if cmd, err := c.command([]string{"node-proxy", "show"}); err != nil || cmd.Path != c.Program || strings.Join(cmd.Args[1:], " ") != "show" {
		t.Errorf("got %v, %v", cmd, err)
	}
	for _, args := range [][]string{nil, {"sh"}, {"/bin/node-proxy"}} {
		if cmd, err := c.command(args); err == nil {
			t.Errorf("%q is %v", args, cmd)
		}
	}
}
