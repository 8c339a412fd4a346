package faults

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
)

// Only one test may change the CustomResourceDefinitions, while no other runs.
func TestServicesAreServedWhateverTheCustomResourceDefinitionsAre(t *testing.T) {
	w := newWorld(t)
	w.command.Args = []string{"--report-spread=0s"}
	w.keepDefinitions()
	svc, guarded := w.put(w.service("web"), w.Local[0]), w.put(w.service("guarded").Label("guarded", "yes"), w.Local[1])
	anybody := []any{peer("ipBlock", block("0.0.0.0/0")), peer("ipBlock", block("::/0"))}
	w.start()
	for _, tc := range []struct {
		name   string
		change func(*world)
		closed bool   // nobody is let in by the node ports of guarded
		stale  int    // the metric says so
		says   string // the log does
	}{
		{name: "they are as they are", change: func(w *world) { w.restrict(anybody...) }},
		{
			name: "they are older, and what nodes say has other fields",
			change: func(w *world) {
				w.changeDefinition("nodeportnodestates", without("activity", "lastSync"))
				w.again(w.end) // which has it said anew
			},
			says: `unknown field \"status.activity\"`,
		},
		{
			name: "they are newer, and what lets in says so by a field that is not known here",
			change: func(w *world) {
				w.changeDefinition("nodeportaccesses", takeAll)
				w.restrict(peer("cloudGroup", "office"))
			},
			closed: true,
		},
		{name: "what they say is known again", change: func(w *world) { w.restrict(anybody...) }},
		{
			name:   "they are newer, and a field is of another type",
			change: func(w *world) { w.restrict(peer("ipBlock", "203.0.113.0/24")) },
			stale:  1,
			says:   "cannot unmarshal string",
		},
		{
			name:   "there are none",
			change: func(w *world) { w.removeDefinitions(); w.again(w.kill) },
			says:   "the cluster has no kind NodePortNodeState",
		},
	} {
		began := time.Now()
		tc.change(w)
		w.serve("web", w.Local[0], w.Local[2])
		w.settle()
		w.wantServed(svc, w.Local[0], w.Local[2])
		w.wantClosed(guarded, tc.closed)
		w.until(fmt.Sprintf("when %s, %s is %d", tc.name, metrics.GuardStale, tc.stale), func() bool { return w.metric(metrics.GuardStale) == tc.stale })
		w.until("the log says "+tc.says, func() bool { return strings.Contains(w.proxy.Log(), tc.says) })
		t.Logf("when %s: as it should be after %s", tc.name, time.Since(began).Round(time.Millisecond))
	}
}

// wantClosed waits until the node ports of a Service are closed, or open.
func (w *world) wantClosed(svc *corev1.Service, closed bool) {
	w.Helper()
	for _, t := range w.targets(svc, "tcp") {
		if !strings.HasPrefix(t.name, "node port") {
			continue
		}
		w.until(t.name+" is closed or open as it should be", func() bool {
			_, err := w.Client.Ask(w.Context(), t.network, t.at, time.Second)
			return errors.Is(err, unix.ECONNREFUSED) == closed && (err == nil) != closed
		})
	}
}

func peer(kind string, is any) map[string]any { return map[string]any{kind: is} }

func block(text string) map[string]any {
	return map[string]any{"cidr": netip.MustParsePrefix(text).String()}
}

// restrict has the Service of that label let these in alone.
func (w *world) restrict(peers ...any) {
	w.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "portolan.dev/v1alpha1",
		"kind":       "NodePortAccess",
		"metadata":   map[string]any{"namespace": w.namespace, "name": "guarded"},
		"spec": map[string]any{
			"serviceSelector": map[string]any{"matchLabels": map[string]any{"guarded": "yes"}},
			"from":            peers,
		},
	}}
	w.must(client.IgnoreNotFound(w.Plane.Objects.Delete(w.Context(), object.DeepCopy())))
	w.until("the definition is in force", func() bool { return w.Plane.Objects.Create(w.Context(), object.DeepCopy()) == nil })
}

// changeDefinition changes the schema of one of our kinds.
func (w *world) changeDefinition(plural string, change func(schema map[string]any)) {
	w.Helper()
	w.must(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		crd := definition(plural)
		if err := w.Plane.Objects.Get(w.Context(), client.ObjectKeyFromObject(crd), crd); err != nil {
			return err
		}
		versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
		if err != nil {
			return err
		}
		schema, _, err := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema")
		if err != nil {
			return err
		}
		change(schema)
		versions[0].(map[string]any)["schema"] = map[string]any{"openAPIV3Schema": schema}
		if err := unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions"); err != nil {
			return err
		}
		return w.Plane.Objects.Update(w.Context(), crd)
	}))
}

// without takes fields out of a status.
func without(fields ...string) func(schema map[string]any) {
	return func(schema map[string]any) {
		for _, field := range fields {
			unstructured.RemoveNestedField(schema, "properties", "status", "properties", field)
		}
	}
}

// takeAll has a spec be anything.
func takeAll(schema map[string]any) {
	schema["properties"].(map[string]any)["spec"] = map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
}

// kinds of ours are those that a node-proxy reads and writes.
var kinds = []string{"nodeportaccesses", "nodeportnodestates", "nodeportpools"}

func definition(plural string) *unstructured.Unstructured {
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	crd.SetName(plural + ".portolan.dev")
	return crd
}

// keepDefinitions has them be what they are again when the test has ended.
func (w *world) keepDefinitions() {
	w.Helper()
	for _, plural := range kinds {
		was := definition(plural)
		w.must(w.Plane.Objects.Get(w.Context(), client.ObjectKeyFromObject(was), was))
		w.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience) // the test's has ended
			defer cancel()
			if err := w.restoreDefinition(ctx, was); err != nil {
				w.Error(err)
			}
		})
	}
}

func (w *world) restoreDefinition(ctx context.Context, was *unstructured.Unstructured) error {
	is := was.DeepCopy()
	err := w.Plane.Objects.Get(ctx, client.ObjectKeyFromObject(is), is)
	if apierrors.IsNotFound(err) {
		is.SetResourceVersion("")
		return w.Plane.Objects.Create(ctx, is)
	}
	is.Object["spec"] = was.Object["spec"]
	return errors.Join(err, w.Plane.Objects.Update(ctx, is))
}

// removeDefinitions returns when they have gone, and their objects.
func (w *world) removeDefinitions() {
	w.Helper()
	for _, plural := range kinds {
		w.must(w.Plane.Objects.Delete(w.Context(), definition(plural)))
	}
	for _, plural := range kinds {
		crd := definition(plural)
		w.until("the definition has gone", func() bool {
			return apierrors.IsNotFound(w.Plane.Objects.Get(w.Context(), client.ObjectKeyFromObject(crd), crd))
		})
	}
}
