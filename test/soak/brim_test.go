package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/test/polling"
)

// abreast is how long a manager may take to know what etcd has, when all is at rest.
const abreast = 20 * time.Second

// withheld asks each manager for all numbers that have no claim, on a dry-run: one that it does not give is lost in its memory.
// All is at rest.
func (s *site) withheld(ctx context.Context, g ground) (found []violation, err error) {
	for _, p := range g.pools {
		size := p.to - p.from + 1
		limit := fmt.Appendf(nil, `{"spec":{"maxPortsPerNamespace":%d}}`, size) // nobody's limit is in the way
		if err := s.Patch(ctx, p.object(), client.RawPatch("application/merge-patch+json", limit)); err != nil {
			return nil, err
		}
		for _, m := range s.managers {
			var free []int32
			var given admission
			_ = polling.Until(abreast, poll, func() error {
				if free, err = s.unclaimed(ctx, p); err == nil {
					given, err = m.wouldGive(ctx, p.namespaces[0], len(free))
				}
				if err == nil && len(without(free, given.numbers)) > 0 {
					return fmt.Errorf("it would give %v", given.numbers)
				}
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.name, err)
			}
			for _, n := range without(free, given.numbers) {
				found = append(found, violation{kind: withheld, number: n, text: fmt.Sprintf("%s would give %v of %v", m.name, given.numbers, free)})
			}
		}
	}
	return found, nil
}

// unclaimed are the numbers of a pool that have no claim now.
func (s *site) unclaimed(ctx context.Context, p pool) (free []int32, err error) {
	claims := &v1alpha1.NodePortAllocationList{}
	if err := s.List(ctx, claims); err != nil {
		return nil, err
	}
	for n := p.from; n <= p.to; n++ {
		if !slices.ContainsFunc(claims.Items, func(a v1alpha1.NodePortAllocation) bool { return a.Name == allocator.NameOf(n) }) {
			free = append(free, n)
		}
	}
	return free, nil
}

// wouldGive asks the mutating webhook of this manager, on a dry-run, for the numbers of a Service of so many ports.
func (m *manager) wouldGive(ctx context.Context, namespace string, ports int) (given admission, err error) {
	if ports == 0 {
		return given, nil
	}
	svc := &corev1.Service{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "to-the-brim"}}
	svc.Spec.Type = corev1.ServiceTypeNodePort
	for range ports {
		addPort(svc, 0)
	}
	raw, err := json.Marshal(svc)
	if err != nil {
		return given, err
	}
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{UID: "to-the-brim", Operation: admissionv1.Create, Namespace: namespace, Name: svc.Name,
			Kind: metav1.GroupVersionKind{Version: "v1", Kind: "Service"}, Resource: metav1.GroupVersionResource{Version: "v1", Resource: "services"},
			Object: runtime.RawExtension{Raw: raw}, DryRun: new(true)},
	})
	if err != nil {
		return given, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+m.webhooks.address()+"/mutate--v1-service", bytes.NewReader(body))
	if err != nil {
		return given, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := (&http.Client{Transport: m.transport, Timeout: requestTimeout}).Do(request)
	if err != nil {
		return given, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if given.take(text); err == nil && !given.answered {
		err = fmt.Errorf("%s: %.200s", answer.Status, text)
	}
	return given, err
}

func TestWhatAManagerWouldGiveIsReadFromItsAnswer(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		review := &admissionv1.AdmissionReview{}
		_ = json.NewDecoder(r.Body).Decode(review)
		svc := &corev1.Service{}
		_ = json.Unmarshal(review.Request.Object.Raw, svc)
		patch := fmt.Sprintf(`[{"op":"add","path":"/spec/ports/0/nodePort","value":%d}]`, 30300+len(svc.Spec.Ports))
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true, Patch: []byte(patch)}
		_ = json.NewEncoder(w).Encode(review)
	}))
	defer server.Close()
	way, err := newLink(strings.TrimPrefix(server.URL, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer way.close()
	m := &manager{webhooks: way, transport: server.Client().Transport}
	given, err := m.wouldGive(t.Context(), "unlimited", 2)
	if err != nil || !slices.Equal(given.numbers, []int32{30302}) {
		t.Errorf("got %v, %v", given, err)
	}
}
