package manager

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/scheme"
	"github.com/portolan-dev/portolan/webhooks"
)

// issued is a certificate that has signed itself, for servers and clients.
type issued struct {
	tls.Certificate
	pem []byte
}

func issue(t *testing.T) issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return issued{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, text}
}

// made is a certificateSource that has one from the start.
type made struct{ issued }

func (made) Ready() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func (m made) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return &m.Certificate, nil
}

// served is a webhook server with the webhooks of a ledger that is not ready.
type served struct {
	*testing.T
	*webhookServer
	roots *x509.CertPool
}

func serve(t *testing.T, o Options, change func(*limits)) served {
	t.Helper()
	logf.SetLogger(logr.Discard())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.WebhookHost, o.WebhookPort = "127.0.0.1", listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close() // for the server
	certificate := issue(t)
	s, err := newWebhookServer(o, made{certificate})
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&s.limits)
	}
	webhooks.Register(s, scheme.New(), allocator.New(nil, clock.RealClock{}), nil, nil, events.NewFakeRecorder(100), clock.RealClock{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		if err := s.Start(ctx); err != nil {
			t.Errorf("the server: %v", err)
		}
	}()
	<-s.serving
	t.Cleanup(func() {
		cancel()
		<-s.ended
	})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate.pem)
	return served{t, s, roots}
}

func (s served) config() *tls.Config { return &tls.Config{RootCAs: s.roots, ServerName: "localhost"} }

func (s served) client(config *tls.Config) *http.Client {
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	s.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// ask returns the status and the body of an answer.
func (s served) ask(method, path string, body io.Reader) (int, string) {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), method, "https://"+s.address+path, body)
	if err != nil {
		s.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client(s.config()).Do(request)
	if err != nil {
		s.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// serviceWebhooks are where a review is asked for.
var serviceWebhooks = []string{"/mutate--v1-service", "/validate--v1-service", "/validate-portolan-dev-v1alpha1-nodeportpool",
	"/validate-portolan-dev-v1alpha1-nodeportreservation", "/validate-portolan-dev-v1alpha1-nodeportaccess"}

func TestTheWebhooksPortAnswersReviewsAndNothingElse(t *testing.T) {
	s := serve(t, Options{}, nil)
	for _, path := range []string{"/", "/metrics", "/healthz", "/readyz", "/debug/pprof/", "/convert", "/mutate--v1-service/", "/..%2fmetrics", "/validate"} {
		if status, text := s.ask(http.MethodGet, path, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	for _, path := range serviceWebhooks {
		if status, text := s.ask(http.MethodPost, path, strings.NewReader("{}")); status == http.StatusNotFound || !strings.Contains(text, `"AdmissionReview"`) {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}

func TestGarbageIsAnsweredAsSuchAndTheNextReviewAsEver(t *testing.T) {
	s := serve(t, Options{}, nil)
	const review = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE","namespace":"shop","object":%s}}`
	deep := strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)
	for name, body := range map[string]string{
		"nothing": "", "no JSON": "\x00\x01\x02", "half of it": `{"apiVersion":"admission.k8s.io/v1","kind":"Adm`,
		"another kind": `{"apiVersion":"v1","kind":"Pod"}`, "no request": `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`,
		"a list": "[]", "null": "null", "an object that is a number": fmt.Sprintf(review, "7"), "a deep object": fmt.Sprintf(review, deep),
		"ports that are none": fmt.Sprintf(review, `{"apiVersion":"v1","kind":"Service","spec":{"ports":[null,{"nodePort":-1},{"nodePort":4294967296}]}}`),
		"more than 7 MiB":     fmt.Sprintf(review, `{"a":"`+strings.Repeat("x", 8<<20)+`"}`),
	} {
		for _, path := range serviceWebhooks {
			if status, text := s.ask(http.MethodPost, path, strings.NewReader(body)); status != http.StatusOK || !strings.Contains(text, `"response":{`) || strings.Contains(text, `"allowed":true`) || len(text) > 4096 {
				t.Errorf("%s at %s: %d %.300s", name, path, status, text)
			}
		}
	}
	if status, text := s.ask(http.MethodPost, serviceWebhooks[0], strings.NewReader(fmt.Sprintf(review, `{"apiVersion":"v1","kind":"Service"}`))); status != http.StatusInternalServerError || !strings.Contains(text, "portolan has no verdict") {
		t.Errorf("a review, which is for a ledger that is not ready: %d %s", status, text)
	}
}

func TestWhoSendsSlowlyIsSentAway(t *testing.T) {
	s := serve(t, Options{}, func(l *limits) {
		l.header, l.request, l.answer = 2*time.Second, 2*time.Second, 4*time.Second // a busy host keeps to them, too
	})
	t.Run("its header", func(t *testing.T) {
		conn, err := tls.Dial("tcp", s.address, s.config())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "POST /mutate--v1-service HTTP/1.1\r\nHost: localhost\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
		wantClosed(t, conn)
	})
	t.Run("its TLS", func(t *testing.T) {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		wantClosed(t, conn)
	})
	for _, protocol := range []string{"h2", "http/1.1"} {
		t.Run("its body over "+protocol, func(t *testing.T) {
			config := s.config()
			config.NextProtos = []string{protocol}
			client := s.client(config)
			if protocol != "h2" {
				client.Transport.(*http.Transport).ForceAttemptHTTP2 = false
			}
			body, more := io.Pipe() // of which nothing comes
			defer more.Close()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.address+serviceWebhooks[0], body)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			response, err := client.Do(request)
			if err == nil {
				text, _ := io.ReadAll(response.Body) // cut off, or that the body could not be read
				response.Body.Close()
				if strings.Contains(string(text), `"allowed":true`) {
					t.Errorf("it is answered: %s", text)
				}
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it was served for %s", took)
			}
		})
	}
	if status, _ := s.ask(http.MethodGet, "/", nil); status != http.StatusNotFound {
		t.Errorf("others are answered %d", status)
	}
}

// wantClosed fails the test unless the other end hangs up.
func wantClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is kept open")
	}
}

func TestWhoTakesRequestsBackDoesNotGetToAskForMore(t *testing.T) {
	const streams = 10
	s := serve(t, Options{}, func(l *limits) { l.streams = streams })
	var running, most atomic.Int32
	began, end := make(chan struct{}, 1000), make(chan struct{})
	s.Register("/slow", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		for n := running.Add(1); n > most.Load(); {
			most.Store(n)
		}
		began <- struct{}{}
		<-end
		running.Add(-1)
	}))
	defer close(end)
	client := s.client(s.config())
	for i := range 4 * streams {
		sent, answered := make(chan struct{}), make(chan struct{})
		ctx, takeBack := context.WithCancel(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }}))
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.address+"/slow", nil)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer close(answered)
			if response, err := client.Do(request); err == nil {
				response.Body.Close()
			}
		}()
		<-sent
		if i < streams {
			<-began
		}
		takeBack()
		<-answered
	}
	s.ask(http.MethodGet, "/", nil) // the server had the time to begin more
	if got := most.Load(); got != streams {
		t.Errorf("%d were served at a time, want %d", got, streams)
	}
}

func TestALongHeaderIsNotTaken(t *testing.T) {
	s := serve(t, Options{}, nil)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Long", strings.Repeat("x", 64<<10))
	response, err := s.client(s.config()).Do(request)
	if err != nil {
		return // the connection was closed
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("it is answered %s", response.Status)
	}
}

func TestWebhooksAreServedOverTodaysTLSOnly(t *testing.T) {
	s := serve(t, Options{}, nil)
	var insecure []uint16
	for _, suite := range tls.InsecureCipherSuites() {
		insecure = append(insecure, suite.ID)
	}
	weak := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}
	for _, tc := range []struct {
		name     string
		min, max uint16
		suites   []uint16
		served   bool
	}{
		{"TLS 1.0", tls.VersionTLS10, tls.VersionTLS10, nil, false},
		{"TLS 1.1", tls.VersionTLS11, tls.VersionTLS11, nil, false},
		{"TLS 1.2", tls.VersionTLS12, tls.VersionTLS12, nil, true},
		{"TLS 1.2 without authenticated encryption", tls.VersionTLS12, tls.VersionTLS12, slices.Concat(weak, insecure), false},
		{"TLS 1.3", tls.VersionTLS13, tls.VersionTLS13, nil, true},
	} {
		config := s.config()
		config.MinVersion, config.MaxVersion, config.CipherSuites = tc.min, tc.max, tc.suites
		conn, err := tls.Dial("tcp", s.address, config)
		if err == nil {
			_ = conn.Close()
		}
		if (err == nil) != tc.served {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestWithAuthoritiesOfClientsOnlyTheirsAreAnswered(t *testing.T) {
	apiServer, stranger := issue(t), issue(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, apiServer.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, Options{WebhookClientCA: file}, nil)
	for _, tc := range []struct {
		name     string
		shows    []*tls.Certificate
		answered bool
	}{
		{"the API server's", []*tls.Certificate{&apiServer.Certificate}, true},
		{"a stranger's", []*tls.Certificate{&stranger.Certificate}, false},
		{"none", nil, false},
	} {
		config := s.config()
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return append(slices.Clone(tc.shows), &tls.Certificate{})[0], nil
		}
		response, err := s.client(config).Post("https://"+s.address+serviceWebhooks[0], "application/json", bytes.NewBufferString("{}"))
		if err == nil {
			response.Body.Close()
		}
		if (err == nil) != tc.answered {
			t.Errorf("with %s: %v", tc.name, err)
		}
	}
	for _, wrong := range []string{filepath.Join(t.TempDir(), "none"), os.DevNull} {
		if _, err := newWebhookServer(Options{WebhookClientCA: wrong}, made{}); err == nil {
			t.Errorf("%s is taken for authorities", wrong)
		}
	}
}
