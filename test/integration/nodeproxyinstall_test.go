package integration

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestNodeProxyIsInstalledAndItsPodsAreAdmittedWithoutAWarning(t *testing.T) {
	w := onOwn(t)
	for _, dir := range []string{filepath.Join("..", "..", "config", "node-proxy"), filepath.Join("testdata", "overlays", "replace-kube-proxy")} {
		printed := w.mustKubectl("", "apply", "-k", dir)
		for line := range strings.Lines(printed) {
			if word := line[strings.LastIndex(line, " ")+1:]; !slices.Contains([]string{"created\n", "configured\n", "unchanged\n"}, word) {
				t.Errorf("kubectl apply -k %s prints %q", dir, line)
			}
		}
		daemons := &appsv1.DaemonSet{}
		w.must(w.Get(t.Context(), client.ObjectKey{Namespace: nodeProxyNamespace, Name: nodeProxyAccount}, daemons))
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: nodeProxyNamespace, Name: "sample"}, Spec: daemons.Spec.Template.Spec}
		w.must(w.Create(t.Context(), pod, client.DryRunAll))
		if token := pod.Spec.Volumes[0].Projected; token == nil {
			t.Errorf("its pods have the volume %+v, want a token", pod.Spec.Volumes[0])
		}
	}
}

func TestWithTheComponentReplaceKubeProxyNodeProxyServesAllOnKubeProxysPorts(t *testing.T) {
	r := onShared(t).render("replace-kube-proxy")
	daemons, where := &appsv1.DaemonSet{}, &corev1.ConfigMap{}
	r.the("DaemonSet", daemons)
	r.the("ConfigMap", where)
	container := daemons.Spec.Template.Spec.Containers[0]
	for _, want := range []string{"--services=all", "--healthz-bind-address=0.0.0.0:10256", "--metrics-bind-address=127.0.0.1:10249"} {
		if !slices.Contains(container.Args, want) {
			t.Errorf("node-proxy has the arguments %v, want %s", container.Args, want)
		}
	}
	if slices.Contains(container.Args, "--services=labelled") {
		t.Errorf("node-proxy has the arguments %v", container.Args)
	}
	for _, probe := range []*corev1.Probe{container.LivenessProbe, container.ReadinessProbe} {
		if probe.HTTPGet.Port != intstr.FromInt32(10256) {
			t.Errorf("it is probed on port %v", probe.HTTPGet.Port)
		}
	}
	if got := container.EnvFrom; len(got) != 1 || got[0].ConfigMapRef.Name != where.Name || got[0].ConfigMapRef.Optional != nil {
		t.Errorf("the API server's address comes from %v, want ConfigMap %s", got, where.Name)
	}
	// A ConfigMap of another name, when the address changes, has the pods replaced.
	if where.Namespace != daemons.Namespace || !strings.HasPrefix(where.Name, "portolan-api-server-") {
		t.Errorf("the API server's address is in ConfigMap %s/%s", where.Namespace, where.Name)
	}
}

func TestNodeProxyMayProgramTheNodesNetworkAndNothingElse(t *testing.T) {
	r := onShared(t).render("replace-kube-proxy")
	daemons := &appsv1.DaemonSet{}
	r.the("DaemonSet", daemons)
	pod := daemons.Spec.Template.Spec
	if !pod.HostNetwork || pod.HostPID || pod.HostIPC || len(pod.Volumes) > 0 {
		t.Errorf("it has more of the host than its network: %+v", pod)
	}
	security := pod.Containers[0].SecurityContext
	got := fmt.Sprintf("%v %v %t %t %s", security.Capabilities.Drop, security.Capabilities.Add,
		*security.AllowPrivilegeEscalation, *security.ReadOnlyRootFilesystem, pod.SecurityContext.SeccompProfile.Type)
	if want := "[ALL] [NET_ADMIN] false true RuntimeDefault"; got != want || security.Privileged != nil {
		t.Errorf("its security context is %s, want %s", got, want)
	}
}
