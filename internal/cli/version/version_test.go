package version

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"github.com/portolan-dev/portolan/internal/cli/session"
)

func TestTheManagersImageIsToldOnceAllOfItRunsThat(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*appsv1.Deployment)
		want   string
	}{
		{"it runs", func(*appsv1.Deployment) {}, "portolan:v2"},
		{"it is scaled to none", func(d *appsv1.Deployment) { d.Status = appsv1.DeploymentStatus{ObservedGeneration: 3} }, ""},
		{"it is being rolled out", func(d *appsv1.Deployment) { d.Status.UpdatedReplicas = 1 }, ""},
		{"it was changed just now", func(d *appsv1.Deployment) { d.Generation = 4 }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &appsv1.Deployment{}
			d.Generation = 3
			d.Spec.Template.Spec.Containers = []corev1.Container{{Image: "portolan:v2"}}
			d.Status = appsv1.DeploymentStatus{ObservedGeneration: 3, Replicas: 2, UpdatedReplicas: 2, ReadyReplicas: 2}
			tt.change(d)
			if got, err := told(d); got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestThePluginTellsItsOwnVersionWithoutACluster(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	for _, args := range [][]string{{"--client"}, nil} {
		var out, errOut bytes.Buffer
		s := session.New(genericiooptions.IOStreams{Out: &out, ErrOut: &errOut}, clock.RealClock{}, func(string) string { return "" })
		cmd := New(s, "v1.2.3")
		cmd.SetArgs(args)
		if err := cmd.Execute(); err != nil || out.String() != "kubectl-portolan v1.2.3\n" {
			t.Errorf("%v, %s", err, out.String())
		}
		if asked := strings.Contains(errOut.String(), "is not known"); asked != (args == nil) {
			t.Errorf("%v: %s", args, errOut.String())
		}
	}
}
