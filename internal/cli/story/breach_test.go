package story

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestANumberThatBreaksTheRulesOfItsNamespaceSaysSoAndHowToMoveIt(t *testing.T) {
	with := func(service *Service, selector map[string]string) *picturetest.Cluster {
		c := picturetest.New().Pool("team-a", "30100-30109", "shop").Pool("edge", "30200-30209", "edge").Service(service)
		c.Services[0].Spec.Selector = selector
		c.Namespaces = []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{corev1.LabelMetadataName: "shop"}}}}
		return c
	}
	app := map[string]string{"app": "web"}
	breaks, move := "it breaks the rules of its namespace: ", "kubectl portolan move web -n shop --to 3010"
	for _, tt := range []struct {
		name         string
		number       int32
		service      *Service
		selector     map[string]string
		wants, lacks []string
	}{
		{"in no pool", 31000, MakeService("shop/web").NodePort(80, 31000, Named("http")), app, []string{breaks, move}, nil},
		{"of another pool", 30200, MakeService("shop/web").NodePort(80, 30200, Named("http")), app, []string{breaks, move}, nil},
		{"which cannot move", 31000, MakeService("shop/web").NodePort(80, 31000), nil, []string{breaks, "kubectl portolan doctor"}, []string{move}},
		{"only another of its numbers", 30100, MakeService("shop/web").NodePort(80, 30100, Named("http")).NodePort(81, 31000, Named("admin")), app, nil, []string{breaks}},
		{"none", 30100, MakeService("shop/web").NodePort(80, 30100), app, nil, []string{breaks}},
	} {
		t.Run(tt.name, func(t *testing.T) { wantTold(t, told(with(tt.service, tt.selector), tt.number), tt.wants, tt.lacks) })
	}
}
