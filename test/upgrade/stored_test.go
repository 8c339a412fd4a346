package upgrade

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/test/install"
)

// kinds are all of ours.
var kinds = []string{"NodePortPool", "NodePortAllocation", "NodePortReservation", "NodePortUsage", "NodePortAccess", "NodePortNodeState"}

// stored are the objects of all our kinds as the API server has them, by kind, namespace and name; but for those of namespace
// load, of which there are ever more.
func (w *world) stored() map[string]*unstructured.Unstructured {
	w.Helper()
	found := map[string]*unstructured.Unstructured{}
	for _, kind := range kinds {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind + "List"))
		w.must(w.List(w.Context(), list))
		for i := range list.Items {
			object := &list.Items[i]
			owner, _, _ := unstructured.NestedString(object.Object, "spec", "serviceRef", "namespace")
			if owner == "load" || object.GetNamespace() == "load" || object.GetName() == "load" {
				continue
			}
			found[fmt.Sprintf("%s %s", kind, client.ObjectKeyFromObject(object))] = object
		}
	}
	for _, kind := range kinds {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(found)), func(key string) bool { return strings.HasPrefix(key, kind+" ") }) {
			w.Fatalf("there is no %s", kind)
		}
	}
	return found
}

// wantKept fails the test unless all objects are the same ones, say the same in their specs, and have all fields and
// conditions in their status that they had, but for the fields that go ("NodePortPool .status.ranges"): each of those has to be
// lost by one of them at least.
func (w *world) wantKept(before, now map[string]*unstructured.Unstructured, but ...string) {
	w.Helper()
	lost := map[string]bool{}
	for key, old := range before {
		object := now[key]
		if object == nil || object.GetUID() != old.GetUID() {
			w.Errorf("%s is not there any more", key)
			continue
		}
		if diff := cmp.Diff(old.Object["spec"], object.Object["spec"]); diff != "" {
			w.Errorf("the spec of %s (-before +now)\n%s", key, diff)
		}
		for _, field := range missing(old.Object["status"], object.Object["status"], ".status") {
			of := old.GetKind() + " " + field
			if lost[of] = true; !slices.Contains(but, of) {
				w.Errorf("%s has lost %s", key, field)
			}
		}
	}
	for _, field := range but {
		if !lost[field] {
			w.Errorf("nothing has lost %s, which is listed as lost", field)
		}
	}
}

// missing are the fields of one value that another does not have, below a path. Of lists only conditions are looked at.
func missing(a, b any, path string) (paths []string) {
	switch a := a.(type) {
	case map[string]any:
		other, _ := b.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(a)) {
			if value, ok := other[name]; ok {
				paths = append(paths, missing(a[name], value, path+"."+name)...)
			} else {
				paths = append(paths, path+"."+name)
			}
		}
	case []any:
		if strings.HasSuffix(path, ".conditions") {
			paths = missing(byType(a), byType(b), path)
		}
	}
	return paths
}

// byType are the types of conditions.
func byType(conditions any) map[string]any {
	list, _ := conditions.([]any)
	types := map[string]any{}
	for _, c := range list {
		if condition, ok := c.(map[string]any); ok {
			types[fmt.Sprint(condition["type"])] = nil
		}
	}
	return types
}

// wantValid has the API server judge each object as it is, by a server-side apply and an update of its status that change
// nothing, and by what kubectl shows of it.
func (w *world) wantValid(objects map[string]*unstructured.Unstructured) {
	w.Helper()
	for key, object := range objects {
		writer := w.as(object)
		applied := object.DeepCopy()
		unstructured.RemoveNestedField(applied.Object, "status")
		applied.SetManagedFields(nil)
		applied.SetResourceVersion("")
		applied.SetGeneration(0) // until the API server says what it would be
		if err := writer.Apply(w.Context(), client.ApplyConfigurationFromUnstructured(applied), client.DryRunAll, client.ForceOwnership, client.FieldOwner("test")); err != nil {
			w.Errorf("apply %s as it is: %v", key, err)
			continue
		}
		if applied.GetGeneration() != object.GetGeneration() {
			w.Errorf("to apply %s as it is changes it:\n%s", key, cmp.Diff(object.Object["spec"], applied.Object["spec"]))
		}
		status, err := json.Marshal(map[string]any{"status": object.Object["status"]})
		w.must(err)
		if err := writer.Status().Patch(w.Context(), object.DeepCopy(), client.RawPatch(types.MergePatchType, status), client.DryRunAll); err != nil {
			w.Errorf("write the status of %s as it is: %v", key, err)
		}
	}
	w.kubectl("", "get", "npp,npa,npr,npu,npacc,npns", "-A", "-o", "wide")
}

// as is a client of who may write an object: all that an admin may, under the name by which the policies know it.
func (w *world) as(object *unstructured.Unstructured) client.Client {
	w.Helper()
	config := w.Config()
	config.WarningHandler = rest.NoWarnings{}
	config.Impersonate = rest.ImpersonationConfig{Groups: []string{"system:masters"}}
	switch object.GetKind() {
	case "NodePortNodeState":
		config.Impersonate.UserName = "system:serviceaccount:" + install.NodeNamespace + ":" + install.NodeServiceAccount
		config.Impersonate.Extra = map[string][]string{"authentication.kubernetes.io/node-name": {object.GetName()}}
	default:
		config.Impersonate.UserName = "system:serviceaccount:" + install.Namespace + ":portolan-controller-manager"
	}
	c, err := client.New(config, client.Options{Scheme: w.Scheme(), Mapper: w.RESTMapper()})
	w.must(err)
	return c
}
