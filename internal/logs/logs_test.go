package logs

import (
	"bytes"
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

func TestAtNoVerbosityIsWhatGoesOverTheWireLogged(t *testing.T) {
	const key, token = "the-key-of-the-webhooks", "the-token-of-the-manager"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"cert"},"stringData":{"tls.key":"` + key + `"}}`))
	}))
	defer server.Close()
	for _, verbosity := range []string{"debug", "7", "8", "9", "10", "127"} {
		t.Run(verbosity, func(t *testing.T) {
			var log bytes.Buffer
			o := zap.Options{DestWriter: &log}
			flags := flag.NewFlagSet("", flag.ContinueOnError)
			o.BindFlags(flags)
			if err := flags.Parse([]string{"--zap-log-level=" + verbosity}); err != nil {
				t.Fatal(err)
			}
			logger := New(o)
			logger.V(1).Info("a change")
			ctx := klog.NewContext(context.Background(), logger)
			api, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, BearerToken: token})
			if err != nil {
				t.Fatal(err)
			}
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "cert"}, StringData: map[string]string{"tls.key": key}}
			if _, err := api.CoreV1().Secrets("ns").Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			if got := log.String(); !strings.Contains(got, "a change") || strings.Contains(got, key) || strings.Contains(got, token) {
				t.Errorf("logged:\n%s", got)
			}
		})
	}
}

func TestWithoutAFlagTheLogIsAsTerseAsEver(t *testing.T) {
	var log bytes.Buffer
	logger := New(zap.Options{DestWriter: &log})
	logger.V(1).Info("a change")
	logger.Info("a start")
	if got := log.String(); strings.Contains(got, "a change") || !strings.Contains(got, "a start") {
		t.Errorf("logged:\n%s", got)
	}
}
