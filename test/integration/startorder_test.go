package integration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/manager"
)

// takeAway deletes the installation's objects of a kind with such names, and returns what brings them back, which the end
// of the test does at the latest.
func (w *world) takeAway(apiVersion, kind, named string) (bringBack func()) {
	w.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion(apiVersion)
	list.SetKind(kind + "List")
	w.must(w.List(w.Context(), list))
	var ours []*unstructured.Unstructured
	for i := range list.Items {
		if strings.Contains(list.Items[i].GetName(), named) {
			ours = append(ours, &list.Items[i])
			w.must(w.Delete(w.Context(), &list.Items[i]))
		}
	}
	for _, object := range ours {
		nudged := time.Now()
		w.eventually(object.GetName()+" goes", func() error {
			present := object.DeepCopy()
			err := stillThere(w.Get(w.Context(), client.ObjectKeyFromObject(object), present))
			if err != nil && time.Since(nudged) > 5*time.Second {
				// The API server's finalizer may take a conflict with its own last write for somebody else's, and wait
				// minutes for an event of that.
				nudged = time.Now()
				present.SetAnnotations(map[string]string{"portolan.dev/nudged": nudged.String()})
				_ = w.Update(w.Context(), present) // it may have gone
			}
			return err
		})
	}
	ctx := context.WithoutCancel(w.Context())
	bringBack = sync.OnceFunc(func() {
		for _, object := range ours {
			object.SetResourceVersion("")
			w.must(w.Create(ctx, object))
		}
	})
	w.Cleanup(bringBack)
	return bringBack
}

// probe is the status of a manager's answer; 0: none.
func (w *world) probe(port int, path string) int {
	w.Helper()
	response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/%s", port, path))
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// wantProbes fails the test unless the manager is alive, and ready or not.
func (w *world) wantProbes(port int, when string, ready bool) {
	w.Helper()
	if status := w.probe(port, "healthz"); status != http.StatusOK {
		w.Errorf("%s: healthz answers %d", when, status)
	}
	if status := w.probe(port, "readyz"); status == 0 || (status == http.StatusOK) != ready {
		w.Errorf("%s: readyz answers %d", when, status)
	}
}

func TestAManagerThatComesBeforeAllElseLivesAndIsReadyOnlyWhenAllIsThere(t *testing.T) {
	w := alone(t)
	w.start(nil) // so that the API server has begun to serve the kinds
	w.stop()
	kinds := w.takeAway("apiextensions.k8s.io/v1", "CustomResourceDefinition", ".portolan.dev")
	secrets := w.takeAway("v1", "Secret", "portolan-")
	rights := w.takeAway("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "portolan-")
	ownRights := w.takeAway("rbac.authorization.k8s.io/v1", "RoleBinding", "portolan-")

	port := freePort(w)
	r, err := w.Launch(t.Context(), func(o *manager.Options) { o.ProbeBindAddress = fmt.Sprintf("127.0.0.1:%d", port) })
	w.must(err)
	w.replicas = append(w.replicas, r)
	w.eventually("the manager answers", func() error {
		if w.probe(port, "healthz") == 0 {
			return errors.New("it does not")
		}
		return nil
	})
	w.wantProbes(port, "without anything", false)
	shop := w.namespace("shop")
	began := time.Now()
	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	if took := time.Since(began); took > 2*time.Second { // each webhook has 3 s
		t.Errorf("Kubernetes waited %s for webhooks that nobody serves", took)
	}

	kinds()
	for _, kind := range []string{"nodeportaccesses", "nodeportallocations", "nodeportnodestates", "nodeportpools", "nodeportreservations", "nodeportusages"} {
		w.mustKubectl("", "wait", "crd/"+kind+".portolan.dev", "--for=condition=Established", "--timeout=90s")
	}
	w.wantProbes(port, "without rights", false)
	w.must(w.Cluster.RestartAPIServer(t.Context()))
	w.wantProbes(port, "after a restart of the API server", false)
	rights()
	ownRights()
	w.wantProbes(port, "without the certificate", false)
	secrets()
	w.must(r.AwaitReady(t.Context()))
	w.wantProbes(port, "with all", true)

	w.wantLedger(shop, ledger{number(web): "web Bound Adopted"})
	numbers := w.allot(1)
	w.pool("team-a", numbers, serving(shop))
	w.wantWithin(w.create(makeService(shop+"/api").NodePort(80, 0)), numbers, 1)
}
