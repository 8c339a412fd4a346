package controllers

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

const reasonClash = "NodePortClash"

// clashTrouble tells the owner of a Service which of its numbers something else uses on nodes, and how to give it free
// ones. It names no node, and nothing that is on one. Labels are those of its namespace; numbers are those that it tells of.
func clashTrouble(svc *corev1.Service, labels map[string]string, clashes func(int32) []rules.Clash) (t trouble, numbers map[int32]bool) {
	var texts []string
	numbers = map[int32]bool{}
	for _, request := range serviceports.Requests(svc) {
		with := rules.ClashesWith(clashes(request.NodePort), request)
		if with == "" {
			continue
		}
		numbers[request.NodePort] = true
		texts = append(texts, fmt.Sprintf("node port %d clashes with %s", request.NodePort, with))
		t.remedies = append(t.remedies, remediesFor(nameOf(svc), labels, []serviceports.Request{request}, request.NodePort)...)
	}
	if len(texts) == 0 {
		return trouble{}, numbers
	}
	t.reason, t.message = reasonClash, strings.Join(texts, "; ")+": one of the two gets no traffic there"
	return t, numbers
}

// clashCount is what the numbers that clash are counted by.
type clashCount struct {
	kind      v1alpha1.ClashKind // empty: not known
	allocated bool               // a Service has the number
}

// countClashes counts the numbers that clash: with each kind of use, and whether a Service has them. Those that are only
// kept are nobody's trouble yet.
func countClashes(ledger *allocator.Ledger) map[clashCount]int {
	counts := map[clashCount]int{}
	for _, kind := range []v1alpha1.ClashKind{v1alpha1.ClashHostListener, v1alpha1.ClashHostPort, ""} {
		counts[clashCount{kind, false}], counts[clashCount{kind, true}] = 0, 0
	}
	for _, n := range ledger.ClashingNumbers() {
		kinds := map[v1alpha1.ClashKind]bool{}
		for _, c := range ledger.Clashes(n) {
			kinds[c.Kind] = true
		}
		for kind := range kinds {
			counts[clashCount{kind, ledger.Carried(n)}]++
		}
	}
	return counts
}
