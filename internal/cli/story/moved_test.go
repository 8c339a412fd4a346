package story

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// wantTold wants texts in what is told of a number, and not others.
func wantTold(t *testing.T, got string, wants, lacks []string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	for _, lack := range lacks {
		if strings.Contains(got, lack) {
			t.Errorf("%q is in %s", lack, got)
		}
	}
}

func TestANumberThatIsHeldForAServiceThatHasAnotherSaysWhichAndTheWayBack(t *testing.T) {
	gone := []string{"which has gone", "made again"}
	for _, tt := range []struct {
		name         string
		service      *Service
		wants, lacks []string
	}{
		{"another number", MakeService("shop/web").NodePort(80, 30101, Named("http")), []string{
			"30100 is held for Service shop/web, which has another number now (30101).", "for another 7m", "then it is free", "another of namespace shop has to ask for it by number",
			"kubectl portolan move web -n shop --to 30100 gives it back", "kubectl portolan release 30100 gives it up"}, gone},
		{"a port without a name", MakeService("shop/web").NodePort(80, 30101), []string{"kubectl portolan move web -n shop --to 30100 --name tcp-80 gives it back"}, gone},
		{"several numbers", MakeService("shop/web").NodePort(80, 30101, Named("http")).NodePort(81, 30102, Named("admin")), []string{
			"which has other numbers now (30101, 30102).", "move web -n shop --to 30100 --port admin gives it back"}, gone},
		{"no number", MakeService("shop/web").Type(corev1.ServiceTypeClusterIP).Port(80), []string{
			"which has no node port now.", "kubectl portolan release 30100"}, append(gone, "kubectl portolan move")},
		{"gone", MakeService("shop/other").NodePort(80, 30101), append(gone, "kubectl portolan release 30100"), []string{"kubectl portolan move"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := picturetest.New().Pool("team-a", "30100-30199", "shop").Held(30100, "shop/web").Service(tt.service)
			c.Services[0].Spec.Selector = map[string]string{"app": "web"}
			c.Allocations[0].Spec.Ports = []v1alpha1.AllocatedPort{{Name: "admin", Port: 81, Protocol: corev1.ProtocolTCP}}
			wantTold(t, told(c, 30100), tt.wants, tt.lacks)
		})
	}
}
