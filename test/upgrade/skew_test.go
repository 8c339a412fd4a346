package upgrade

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// wantTogether wants a Service and a NodePortAccess that come to be in force on the nodes, and the manager to read in the nodes'
// reports that they are.
func (w *world) wantTogether(name string) {
	w.Helper()
	svc := servicetest.MakeService("shop/"+name).Label("app", "web").NodePort(80, 0, servicetest.Target(8080)).Obj()
	svc.Spec.Selector = map[string]string{"app": "web"}
	w.must(w.Create(w.Context(), svc))
	number := svc.Spec.Ports[0].NodePort
	w.wantServed(number)
	w.wantServed(webPort)
	w.kubectl(fmt.Sprintf(`
apiVersion: portolan.dev/v1alpha1
kind: NodePortAccess
metadata: {name: %s, namespace: shop}
spec:
  serviceSelector: {matchLabels: {app: web}}
  from: [{ipBlock: {cidr: 192.0.2.0/24}}]
`, name), "apply", "-f", "-")
	w.deployNodeProxies(w.nodeProxiesAre) // since they report at once when they begin, and else once a minute
	w.kubectl("", "wait", fmt.Sprint("npa/", number), "--for=condition=Programmed", "--timeout=90s")
	w.kubectl("", "wait", "npacc/"+name, "-n", "shop", "--for=condition=Programmed", "--timeout=90s")
	w.settle()
	w.wantServed(number)
}

const (
	addField  = `[{"op":"add","path":"/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/later","value":{"type":"string"}}]`
	dropField = `[{"op":"remove","path":"/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/later"}]`
)

// reportOfALaterVersion has a node report that something uses a number, and a field that no version has yet.
func (w *world) reportOfALaterVersion(number int32) {
	w.Helper()
	w.kubectl("", "patch", "crd/nodeportnodestates.portolan.dev", "--type=json", "-p", addField)
	state := &unstructured.Unstructured{}
	state.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NodePortNodeState"))
	state.SetName("later")
	writer, admin := w.as(state), context.WithoutCancel(w.Context())
	w.Cleanup(func() {
		w.must(w.Delete(admin, state))
		if out, err := w.Kubectl(admin, "patch", "crd/nodeportnodestates.portolan.dev", "--type=json", "-p", dropField).CombinedOutput(); err != nil {
			w.Errorf("%v\n%s", err, out)
		}
	})
	w.must(writer.Create(w.Context(), state))
	status := fmt.Appendf(nil, `{"status":{"mode":"Labelled","services":0,"ports":0,"clashingNodePorts":"%d","later":"said"}}`, number)
	w.eventually("the API server keeps the field", func() error {
		if err := writer.Status().Patch(w.Context(), state, client.RawPatch(types.MergePatchType, status)); err != nil {
			return err
		}
		if said, _, _ := unstructured.NestedString(state.Object, "status", "later"); said != "said" {
			return fmt.Errorf("it says %q", said)
		}
		return nil
	})
}
