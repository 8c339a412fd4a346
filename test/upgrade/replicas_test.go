package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// wantWellAnswered has one manager answer the mutating webhooks and another one the validating ones.
func (w *world) wantWellAnswered(name string, gives, judges manager) {
	w.Helper()
	w.callWebhooksAt(gives.endpoint, judges.endpoint)
	var svc *corev1.Service
	made := 0
	w.eventually("the API server calls these two", func() error {
		gave, judged := w.decisions(gives, "default"), w.decisions(judges, "validate")
		made++
		svc = w.wantNumbered(fmt.Sprintf("load/%s-%d", name, made))
		if w.decisions(gives, "default") == gave || w.decisions(judges, "validate") == judged {
			return errors.New("it calls others")
		}
		return nil
	})
	w.awaitState(svc.Spec.Ports[0].NodePort, allocator.Bound)
	taken := servicetest.MakeService("load/"+name+"-taken").NodePort(80, svc.Spec.Ports[0].NodePort).Obj()
	if err := w.Create(w.Context(), taken); !apierrors.IsInvalid(err) {
		w.Errorf("%s: a number that is taken is answered by %v", name, err)
	}
	changed := svc.DeepCopy()
	changed.Spec.Ports[0].NodePort = 0
	changed.Spec.Type = corev1.ServiceTypeLoadBalancer
	w.must(w.Update(w.Context(), changed))
	if got, had := changed.Spec.Ports[0].NodePort, svc.Spec.Ports[0].NodePort; got != had {
		w.Errorf("%s: an update that leaves the number out has changed it from %d to %d", name, had, got)
	}
	w.must(w.Delete(w.Context(), changed))
	w.eventually(fmt.Sprintf("the ledger forgets what %s had", svc.Name), func() error {
		err := w.Get(w.Context(), client.ObjectKey{Name: allocator.NameOf(svc.Spec.Ports[0].NodePort)}, &v1alpha1.NodePortAllocation{})
		if err == nil {
			return errors.New("it is there")
		}
		return client.IgnoreNotFound(err)
	})
}

// wantNumbered creates a Service of namespace load, and wants it to have a number of its pool.
func (w *world) wantNumbered(name string) *corev1.Service {
	w.Helper()
	svc := servicetest.MakeService(name).NodePort(80, 0).Obj()
	w.must(w.Create(w.Context(), svc))
	if n := svc.Spec.Ports[0].NodePort; n < loadFrom || n > loadTo {
		w.Errorf("%s got %d", name, n)
	}
	return svc
}

// decisions is how many a manager's webhook has made: default, or validate.
func (w *world) decisions(m manager, webhook string) (count float64) {
	w.Helper()
	response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", m.MetricsPort))
	w.must(err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	w.must(err)
	for line := range strings.Lines(string(text)) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(series, "portolan_admission_decisions_total{") && strings.Contains(series, `webhook="`+webhook+`"`) {
			n, err := strconv.ParseFloat(value, 64)
			w.must(err)
			count += n
		}
	}
	return count
}

// callWebhooksAt has the API server call the mutating webhooks at one endpoint, and the validating ones at another.
func (w *world) callWebhooksAt(mutating, validating string) {
	w.Helper()
	m, v := &admissionv1.MutatingWebhookConfiguration{}, &admissionv1.ValidatingWebhookConfiguration{}
	w.change("portolan-mutating-webhook-configuration", m, func() {
		for i := range m.Webhooks {
			m.Webhooks[i].ClientConfig.URL = movedTo(mutating, m.Webhooks[i].ClientConfig.URL)
		}
	})
	w.change("portolan-validating-webhook-configuration", v, func() {
		for i := range v.Webhooks {
			v.Webhooks[i].ClientConfig.URL = movedTo(validating, v.Webhooks[i].ClientConfig.URL)
		}
	})
}

// callWebhooksByTheBalancer has the API server call them as before.
func (w *world) callWebhooksByTheBalancer() {
	endpoint := fmt.Sprint("127.0.0.1:", w.installation.WebhookPort)
	w.callWebhooksAt(endpoint, endpoint)
}

// movedTo is an address with the port of an endpoint.
func movedTo(endpoint string, address *string) *string {
	u, err := url.Parse(*address)
	if err != nil {
		panic(err) // of our own making
	}
	u.Host = "localhost" + endpoint[strings.LastIndex(endpoint, ":"):]
	return new(u.String())
}

// change changes an object that others write, too.
func (w *world) change(name string, object client.Object, change func()) {
	w.Helper()
	ctx := context.WithoutCancel(w.Context()) // at the end of a test, too
	w.must(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if err := w.Get(ctx, client.ObjectKey{Name: name}, object); err != nil {
			return err
		}
		change()
		return w.Update(ctx, object)
	}))
}
