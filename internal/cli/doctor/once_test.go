package doctor

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// misplaced is an installation in which Service shop/stray has a number of no pool, of which the pool tells.
func misplaced(t *testing.T) *patient {
	p := healthy(t)
	p.site.Bound(31000, "shop/stray")
	p.site.NodeStates[0].Status.NodePorts = "30100,31000,31001"
	const patch = `kubectl -n shop patch service stray --type=json -p '[{"op":"test","path":"/spec/ports/0/nodePort","value":31000},{"op":"replace","path":"/spec/ports/0/nodePort","value":30114}]'`
	p.site.Pools[0].Status.Conditions = append(p.site.Pools[0].Status.Conditions,
		condition(v1alpha1.PoolConforming, v1alpha1.PoolReasonLiveServices, "1: shop/stray. To give them others: "+patch, metav1.ConditionFalse)...)
	return p
}

func TestAServiceThatBreaksTheRulesOfPoolsIsToldOfOnce(t *testing.T) {
	p := misplaced(t)
	p.site.Services[1].Status.Conditions = condition(allocatedCondition, "NodePortOutsidePool", "the Service keeps its number", metav1.ConditionFalse)
	wantOnly(t, p.examine(), "services", "the Service keeps its number", "kubectl -n shop patch service stray", false)
}

func TestAPoolTellsOfServicesThatDoNotTellOfThemselves(t *testing.T) {
	wantOnly(t, misplaced(t).examine(), "pools", "1: shop/stray.", "kubectl -n shop patch service stray", true)
}

func TestAPoolTellsOfTheOthersOnly(t *testing.T) {
	p := misplaced(t)
	p.site.Services[1].Status.Conditions = condition(allocatedCondition, "NodePortOutsidePool", "the Service keeps its number", metav1.ConditionFalse)
	p.site.Service(MakeService("shop/second").NodePort(80, 31001))
	p.site.Services[2].CreationTimestamp = metav1.NewTime(p.site.Picture().Now)
	for _, r := range p.examine() {
		switch {
		case r.Check == "pools" && (len(r.Findings) != 1 || strings.Contains(strings.Join(r.Findings[0].Commands, " "), "stray")):
			t.Errorf("%+v", r)
		case r.Check == "services" && len(r.Findings) != 1:
			t.Errorf("%+v", r)
		}
	}
}
