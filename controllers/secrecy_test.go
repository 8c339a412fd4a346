package controllers

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/rules/secrecytest"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// Every text that a controller writes where a tenant can read it: in its namespace. See secrecytest.
var texts = map[string]secrecytest.Told{
	"a conflict": func(s secrecytest.Scene) []string {
		return toldBy(conflictTrouble(s.Question.Service, drawSharing(s),
			rules.Suggestions(s.Ledger, s.Chart.PoolsFor(s.Question.NamespaceLabels), 3)))
	},
	"rules that a live Service breaks": func(s secrecytest.Scene) []string {
		return toldBy(breachTrouble(rules.LiveBreaches(s.Chart, s.Question)))
	},
}

// toldBy is the condition and the event.
func toldBy(t trouble) []string {
	if t.message == "" {
		return nil
	}
	return []string{t.condition(secrecytest.Now).Message, t.note()}
}

// drawSharing draws who else has the Service's numbers.
func drawSharing(s secrecytest.Scene) map[int32][]corev1.Service {
	shared := map[int32][]corev1.Service{}
	for _, n := range numbersOf(s.Question.Service) {
		carriers := []corev1.Service{*s.Question.Service}
		for i := range rapid.IntRange(0, 3).Draw(s.T, "others") {
			namespace := rapid.SampledFrom([]string{secrecytest.Namespace, secrecytest.Foreign + "-space"}).Draw(s.T, "namespace")
			name := secrecytest.Own
			if namespace != secrecytest.Namespace {
				name = secrecytest.Foreign
			}
			carriers = append(carriers, *MakeService(fmt.Sprintf("%s/%s%d", namespace, name, i)).NodePort(80, n).Obj())
		}
		shared[n] = carriers
	}
	return shared
}

func TestATenantReadsNothingOfOtherTenants(t *testing.T) { secrecytest.Check(t, texts) }
