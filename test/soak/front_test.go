package soak

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/serviceports"
)

// front stands where the API server calls the webhooks, as a Service does: each call goes to one of the managers that are
// ready. It records the calls for Services.
type front struct {
	*record
	server *http.Server

	mu       sync.Mutex // guards all below
	managers []*manager
	turn     int
}

// newFront serves on a port of loopback with the webhooks' certificate, which others renew.
func newFront(r *record, port int, certDir string) (*front, error) {
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	f := &front{record: r}
	f.server = &http.Server{Handler: f, ErrorLog: quiet, TLSConfig: &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			certificate, err := tls.LoadX509KeyPair(filepath.Join(certDir, "tls.crt"), filepath.Join(certDir, "tls.key"))
			return &certificate, err
		},
	}}
	go func() { _ = f.server.ServeTLS(listener, "", "") }()
	return f, nil
}

// next is the manager whose turn it is; nil where none is ready.
func (f *front) next() *manager {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range f.managers {
		f.turn++
		if m := f.managers[f.turn%len(f.managers)]; m.ready.Load() {
			return m
		}
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := f.next()
	if m == nil {
		panic(http.ErrAbortHandler) // refused, as far as the API server can tell
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	call := readCall(body)
	if call != nil {
		call.call = f.now()
		if call.validates = strings.HasPrefix(r.URL.Path, "/validate"); !call.validates {
			call.numbers = nil // what it fills in
		}
		defer func() {
			call.back, call.answered = f.now(), call.answered && r.Context().Err() == nil
			f.admitted(*call)
		}()
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(p *httputil.ProxyRequest) { p.SetURL(&url.URL{Scheme: "https", Host: m.webhooks.address()}) },
		Transport: m.transport,
		ModifyResponse: func(answer *http.Response) error {
			body, err := io.ReadAll(answer.Body)
			answer.Body = io.NopCloser(bytes.NewReader(body))
			if err == nil && call != nil {
				call.take(body)
			}
			return err
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     quiet,
	}
	proxy.ServeHTTP(w, r)
}

// readCall is nil for what is no call for a Service.
func readCall(body []byte) *admission {
	review := &admissionv1.AdmissionReview{}
	if json.Unmarshal(body, review) != nil || review.Request == nil || review.Request.Kind.Kind != "Service" {
		return nil
	}
	svc := &corev1.Service{}
	if json.Unmarshal(review.Request.Object.Raw, svc) != nil {
		return nil
	}
	return &admission{
		operation: svc.Annotations[operationKey],
		service:   types.NamespacedName{Namespace: review.Request.Namespace, Name: svc.Name},
		numbers:   serviceports.Numbers(serviceports.Requests(svc)),
	}
}

var numeral = regexp.MustCompile(`\b3\d{4}\b`)

// take takes in an answer.
func (a *admission) take(body []byte) {
	review := &admissionv1.AdmissionReview{}
	if json.Unmarshal(body, review) != nil || review.Response == nil {
		return
	}
	a.answered, a.allowed = true, review.Response.Allowed
	for _, n := range numeral.FindAllString(string(review.Response.Patch), -1) {
		number, _ := strconv.ParseInt(n, 10, 32)
		if !slices.Contains(a.numbers, int32(number)) {
			a.numbers = append(a.numbers, int32(number))
		}
	}
}
