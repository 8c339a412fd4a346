package nodeproxy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/nodeproxy/clash"
	"github.com/portolan-dev/portolan/internal/nodeproxy/track"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestNumbersFollowTheServicesThatHaveThem(t *testing.T) {
	n := newNumbers()
	tcp := func(number int32) clash.Port { return clash.Port{Protocol: corev1.ProtocolTCP, Number: number} }
	web := st.MakeService("shop/web").LoadBalancer().LocalTraffic().HealthCheck(32000).NodePort(80, 30080).Obj()
	api := st.MakeService("shop/api").NodePort(80, 32000).Obj() // another's for health checks, as in a conflict
	for _, step := range []struct {
		name    string
		service *corev1.Service
		changed bool
		want    map[clash.Port]clash.Use
	}{
		{"web", web, true, map[clash.Port]clash.Use{tcp(30080): clash.NodePort, tcp(32000): clash.HealthCheck}},
		{"web", web, false, map[clash.Port]clash.Use{tcp(30080): clash.NodePort, tcp(32000): clash.HealthCheck}}, // its endpoints have changed
		{"api", api, true, map[clash.Port]clash.Use{tcp(30080): clash.NodePort, tcp(32000): clash.NodePort}},
		{"api", nil, true, map[clash.Port]clash.Use{tcp(30080): clash.NodePort, tcp(32000): clash.HealthCheck}},
		{"api", api, true, map[clash.Port]clash.Use{tcp(30080): clash.NodePort, tcp(32000): clash.NodePort}},
		{"web", nil, true, map[clash.Port]clash.Use{tcp(32000): clash.NodePort}},
		{"api", nil, true, map[clash.Port]clash.Use{}},
	} {
		n.note([]track.Change{{Name: types.NamespacedName{Namespace: "shop", Name: step.name}, Service: step.service}})
		if changed := n.take(); changed != step.changed {
			t.Errorf("%s: changed: %v", step.name, changed)
		}
		if diff := cmp.Diff(step.want, n.all); diff != "" {
			t.Errorf("%s (-want +got)\n%s", step.name, diff)
		}
	}
}
