package install

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/portolan-dev/portolan/test/cluster"
)

// applyManifests applies what kustomize builds of a directory, after patch has changed what it likes of each object.
func applyManifests(ctx context.Context, c *cluster.Cluster, dir string, patch func(*unstructured.Unstructured) error) error {
	kustomize := c.Kubectl(ctx, "kustomize", dir)
	var stderr bytes.Buffer
	kustomize.Stderr = &stderr
	manifests, err := kustomize.Output()
	if err != nil {
		return fmt.Errorf("kubectl kustomize %s: %w\n%s", dir, err, &stderr)
	}
	patched, err := patchEach(manifests, patch)
	if err != nil {
		return err
	}
	apply := c.Kubectl(ctx, "apply", "-f", "-")
	apply.Stdin = bytes.NewReader(patched)
	if out, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl apply -k %s: %w\n%s", dir, err, out)
	}
	return nil
}

func patchEach(manifests []byte, patch func(*unstructured.Unstructured) error) ([]byte, error) {
	var patched bytes.Buffer
	for document := range strings.SplitSeq(string(manifests), "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := utilyaml.Unmarshal([]byte(document), &object.Object); err != nil {
			return nil, err
		}
		if err := patch(object); err != nil {
			return nil, err
		}
		document, err := yaml.Marshal(object.Object)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&patched, "---\n%s", document)
	}
	return patched.Bytes(), nil
}

// containerArgs are the arguments of a workload's one container. Of variables they use the namespace only.
func containerArgs(workload *unstructured.Unstructured) ([]string, error) {
	containers, _, err := unstructured.NestedSlice(workload.Object, "spec", "template", "spec", "containers")
	if err != nil || len(containers) != 1 {
		return nil, fmt.Errorf("%s %s: %d containers, want 1: %w", workload.GetKind(), workload.GetName(), len(containers), err)
	}
	container, _ := containers[0].(map[string]any)
	args, _, err := unstructured.NestedStringSlice(container, "args")
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$(POD_NAMESPACE)", workload.GetNamespace())
	}
	return args, err
}
