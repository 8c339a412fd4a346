package move

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// The API server may know fields of a Service, and of its entries, that this program does not.
func TestAPatchSaysNothingOfFieldsThatAStepDoesNotChange(t *testing.T) {
	m := httpMark()
	svc := MakeService("shop/web").NodePort(80, 30100, Named("http")).NodePort(53, 30153, Named("dns")).Obj()
	svc.ResourceVersion = "7"
	const lock = `{"op":"add","path":"/metadata/resourceVersion","value":"7"}`
	for _, step := range []struct {
		name string
		take func(*corev1.Service)
		want []string // but for the mark
	}{
		{"open", func(svc *corev1.Service) { open(svc, m, "") }, []string{lock,
			`{"op":"copy","from":"/spec/ports/0","path":"/spec/ports/2"}`, `{"op":"add","path":"/spec/ports/2/port","value":30200}`,
			`{"op":"add","path":"/spec/ports/2/name","value":"http-move"}`, `{"op":"add","path":"/spec/ports/2/nodePort","value":30200}`}},
		{"switch", func(svc *corev1.Service) { change(svc, m, now) }, []string{lock,
			`{"op":"add","path":"/spec/ports/0/nodePort","value":30200}`, `{"op":"add","path":"/spec/ports/2/nodePort","value":30100}`}},
		{"undo", func(svc *corev1.Service) { undo(svc, m) }, []string{lock,
			`{"op":"add","path":"/spec/ports/0/nodePort","value":30100}`, `{"op":"remove","path":"/spec/ports/2"}`,
			`{"op":"remove","path":"/metadata/annotations/portolan.dev~1move"}`}},
	} {
		after := svc.DeepCopy()
		step.take(after)
		var got []string
		for _, op := range patch(svc, after) {
			text, err := json.Marshal(op)
			if err != nil {
				t.Fatal(err)
			}
			if op.Op == "remove" || !strings.Contains(op.Path, "annotations") {
				got = append(got, string(text))
			}
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", step.name, diff)
		}
		svc = after
	}
}

func TestSecondEntriesGoFromTheLast(t *testing.T) {
	svc, m := web(), &Mark{Ports: []string{"dns", "dns-tcp"}, From: 30153, To: 30253}
	open(svc, m, "")
	after := svc.DeepCopy()
	finish(after, m)
	var got []string
	for _, op := range patch(svc, after) {
		if op.Op == "remove" {
			got = append(got, op.Path)
		}
	}
	if diff := cmp.Diff([]string{"/spec/ports/4", "/spec/ports/3", "/metadata/annotations/portolan.dev~1move"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
