package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/fleet"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/rules/secrecytest"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// Every text that a controller writes where a tenant can read it: in its namespace. See secrecytest.
var texts = map[string]secrecytest.Told{
	"a conflict": func(s secrecytest.Scene) []string {
		return toldBy(s, conflictTrouble(s.Question.Service, s.Question.NamespaceLabels, drawSharing(s)))
	},
	"a clash": func(s secrecytest.Scene) []string {
		found, _ := clashTrouble(s.Question.Service, s.Question.NamespaceLabels, func(n int32) []rules.Clash { return []rules.Clash{{Nodes: int(n % 3)}} })
		return toldBy(s, found)
	},
	"rules that a live Service breaks": func(s secrecytest.Scene) []string {
		return toldBy(s, breachTrouble(s.Question.Service, s.Question.NamespaceLabels, rules.LiveBreaches(s.Chart, s.Question)))
	},
	"why a reservation is not ready": func(s secrecytest.Scene) []string {
		o := drawReserving(s)
		p := promiseFor(o)
		status := reservationStatus(p, append(problemsOf(p.answer.Breaches...), o.poolsMissing(p)...), secrecytest.Now)
		return []string{status.Conditions[0].Message, note(status.Conditions[0].Message)}
	},
	"what a namespace has of a pool": func(s secrecytest.Scene) []string {
		var texts []string
		claims := listOf(slices.Collect(maps.Values(drawReserving(s).claims)))
		for _, p := range s.Pools {
			if u := usingOf(s.Chart, p.Name, s.Question.NamespaceLabels, claims, secrecytest.Now); u.wanted() {
				status := usageStatus(&v1alpha1.NodePortUsage{}, u, secrecytest.Now)
				texts = append(texts, status.Ranges, status.Conditions[0].Message)
			}
		}
		return texts
	},
	"what becomes of a NodePortAccess": func(s secrecytest.Scene) []string {
		object := allowing(rapid.SampledFrom([]v1alpha1.CIDR{"10.0.0.0/8", "10.0.0.1/8"}).Draw(s.T, "cidr"))
		object.Spec.Ports = rapid.SampledFrom([][]string{nil, {"p0"}, {secrecytest.Own}}).Draw(s.T, "ports")
		g := guardingOf(access.NewPolicy(object), []corev1.Service{*s.Question.Service})
		nodes := fleet.NewGuards()
		for _, node := range []string{secrecytest.Foreign + "-node-1", secrecytest.Foreign + "-node-2"} {
			state := &v1alpha1.NodePortNodeState{}
			state.Name = node
			if version := rapid.SampledFrom([]string{"", "99", "100"}).Draw(s.T, "version"); version != "" {
				state.Status.Guard = &v1alpha1.GuardState{AccessResourceVersion: version}
			}
			nodes.Put(state)
		}
		status := accessStatus(object, g, nodes.Of(specVersion(object)), secrecytest.Now)
		return []string{status.NodePorts, status.Sources, shownConditions(status.Conditions)}
	},
}

// drawReserving draws a reservation for the Service "web", which may name numbers and pools, and has some already.
func drawReserving(s secrecytest.Scene) reserving {
	o := reserving{reservation: &v1alpha1.NodePortReservation{}, claims: map[int32]*v1alpha1.NodePortAllocation{},
		namespace: &corev1.Namespace{}, chart: s.Chart, ledger: rules.Quiet{Ledger: s.Ledger}, now: secrecytest.Now}
	o.name.Namespace, o.name.Name = secrecytest.Namespace, secrecytest.Own
	o.namespace.Labels = s.Question.NamespaceLabels
	r := o.reservation
	r.Namespace, r.Name, r.Spec.ServiceName = secrecytest.Namespace, secrecytest.Own, "web"
	r.Spec.PoolName = s.Question.Service.Annotations[v1alpha1.PoolAnnotation]
	for _, p := range s.Question.Service.Spec.Ports {
		r.Spec.Ports = append(r.Spec.Ports, v1alpha1.ReservedPort{Name: p.Name, NodePort: p.NodePort})
	}
	for n, entry := range s.Ledger {
		if strings.HasPrefix(entry, secrecytest.Namespace+"/web by "+secrecytest.Own) && rapid.Bool().Draw(s.T, "kept") {
			claim := reservedClaim(n, "p0")
			claim.Spec.ReservationName, claim.Spec.PoolName = secrecytest.Own, ""
			if pool := s.Chart.PoolOf(n); pool != nil && slices.Contains(s.Chart.PoolsFor(o.namespace.Labels), pool) {
				claim.Spec.PoolName = pool.Name
			}
			o.claims[n] = claim
		}
	}
	return o
}

// toldBy is the condition and the event.
func toldBy(s secrecytest.Scene, t trouble) []string {
	if t.message == "" {
		return nil
	}
	return []string{t.condition(secrecytest.Now).Message, t.note(freeIn(s.Ledger, s.Chart))}
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
