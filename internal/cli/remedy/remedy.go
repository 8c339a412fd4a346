// Package remedy has the commands by which a Service gets another number. It is pure, and whoever tells of trouble with a
// number names the same.
package remedy

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// moveAnnotation is that of a Service which has begun to move. Source: package move.
const moveAnnotation = "portolan.dev/move"

// Renumber are the commands of which each gives a Service another number of its namespace's pools, one that is free now, in
// the place of one: first the one by which both answer for a while, then the one that does it at once. There are none where
// no number is free, and for a healthCheckNodePort, which cannot be changed.
func Renumber(ledger rules.Ledger, pools []*rules.Pool, svc *corev1.Service, number int32) []string {
	of, ok := traffic(svc, number)
	if !ok {
		return nil
	}
	if _, moving := svc.Annotations[moveAnnotation]; moving {
		return []string{fmt.Sprintf("kubectl portolan move %s -n %s   # goes on with what has begun", svc.Name, svc.Namespace)}
	}
	to, ok := free(ledger, pools, string(svc.UID)+svc.Name)
	if !ok {
		return nil
	}
	atOnce := patch(svc, of, to)
	if len(svc.Spec.Selector) == 0 { // whose second entry would have no endpoints
		return []string{atOnce}
	}
	return []string{Move(svc, of, to), atOnce + "   # or at once"}
}

// traffic is the Service's request that has the number, if that is not one of health checks.
func traffic(svc *corev1.Service, number int32) (serviceports.Request, bool) {
	requests := serviceports.Requests(svc)
	at := slices.IndexFunc(requests, func(r serviceports.Request) bool {
		return r.NodePort == number && r.Role == serviceports.Traffic
	})
	if at < 0 {
		return serviceports.Request{}, false
	}
	return requests[at], true
}

// Move is the command by which the Service answers on both numbers for a while. An entry without a name is given the one that
// admission would give it beside a second entry. Source: decision.FillOut.
func Move(svc *corev1.Service, of serviceports.Request, to int32) string {
	command := fmt.Sprintf("kubectl portolan move %s -n %s --to %d", svc.Name, svc.Namespace, to)
	entry := of.Ports[0]
	switch {
	case entry.Name == "":
		command += fmt.Sprintf(" --name %s-%d", strings.ToLower(string(entry.Protocol)), entry.Port)
	case len(serviceports.Requests(svc)) > 1:
		command += " --port " + entry.Name
	}
	return command
}

// patch is the command that changes the number, and does nothing where the Service is another than it was.
func patch(svc *corev1.Service, of serviceports.Request, to int32) string {
	var tests, changes []string
	for _, p := range of.Ports {
		tests = append(tests, fmt.Sprintf(`{"op":"test","path":"/spec/ports/%d/nodePort","value":%d}`, p.Index, of.NodePort))
		changes = append(changes, fmt.Sprintf(`{"op":"replace","path":"/spec/ports/%d/nodePort","value":%d}`, p.Index, to))
	}
	return fmt.Sprintf("kubectl -n %s patch service %s --type=json -p '[%s]'", svc.Namespace, svc.Name, strings.Join(append(tests, changes...), ","))
}

// free is a free number of the pools: which of them depends on the key, so that few are advised the same one.
func free(ledger rules.Ledger, pools []*rules.Pool, key string) (int32, bool) {
	const choice = 64
	numbers := rules.Suggestions(ledger, pools, choice)
	if len(numbers) == 0 {
		return 0, false
	}
	sum := 0
	for _, b := range []byte(key) {
		sum += int(b)
	}
	return numbers[sum%len(numbers)], true
}
