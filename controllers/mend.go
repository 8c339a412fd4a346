package controllers

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// What operators and owners read of Services that should have other numbers goes on with the commands that give them
// others. Each names a number that is free as it is written, and of those always the same one in the place of a Service's
// number: so the text stays as it is until that number is taken, and an event advises the same as a condition.

// remedy is how a Service gets another number in the place of one.
type remedy struct {
	service types.NamespacedName
	instead int32             // of which
	labels  map[string]string // of its namespace
	// command does it, given a number that is free.
	command func(number int32) string
}

// freeNumbers are those that a namespace with such labels may be given now.
type freeNumbers func(labels map[string]string) []int32

// freeIn are the free numbers of a namespace's pools: of those from which numbers are picked, and of the others where
// these have none.
func freeIn(l rules.Ledger, chart *rules.Chart) freeNumbers {
	explicit := func(p *rules.Pool) bool { return p.Spec.Allocation == v1alpha1.AllocationExplicit }
	return func(labels map[string]string) []int32 {
		pools := chart.PoolsFor(labels)
		if free := rules.Suggestions(l, slices.DeleteFunc(slices.Clone(pools), explicit), math.MaxUint16); len(free) > 0 {
			return free
		}
		return rules.Suggestions(l, pools, math.MaxUint16)
	}
}

// advice is " To ...: COMMAND; COMMAND", at most maxListed of them; nothing where there is no number to be given.
func advice(remedies []remedy, free freeNumbers) string {
	commands := commandsOf(remedies, free)
	if len(commands) == 0 {
		return ""
	}
	return ". To give them others: " + strings.Join(commands, "; ")
}

// commandsOf are those of the first maxListed remedies, each with a number of its own; without those for which none is
// free.
func commandsOf(remedies []remedy, free freeNumbers) []string {
	var commands []string
	named := map[int32]bool{}
	for _, r := range remedies[:min(len(remedies), maxListed)] {
		if number, ok := r.firstChoice(free(r.labels), named); ok {
			named[number] = true
			commands = append(commands, r.command(number))
		}
	}
	return commands
}

// firstChoice is the free number of the greatest weight for a remedy, of those that have not been named to another.
func (r remedy) firstChoice(free []int32, named map[int32]bool) (number int32, ok bool) {
	seed := xxhash.Sum64String(fmt.Sprint(r.service, r.instead))
	var greatest uint64
	for _, n := range free {
		if named[n] {
			continue
		}
		if weight := xxhash.Sum64(binary.LittleEndian.AppendUint64(nil, seed+uint64(n))); !ok || weight > greatest { //nolint:gosec // a port, for its bits
			number, greatest, ok = n, weight, true
		}
	}
	return number, ok
}

// remediesFor are how a Service gets others in the place of numbers. A health check's cannot be changed.
func remediesFor(service types.NamespacedName, labels map[string]string, requests []serviceports.Request, numbers ...int32) []remedy {
	var remedies []remedy
	for _, request := range requests {
		for _, number := range numbers {
			if request.NodePort == number && request.Role != serviceports.HealthCheck {
				remedies = append(remedies, remedy{service, number, labels, func(n int32) string { return renumbering(service, request, n) }})
			}
		}
	}
	return remedies
}

// renumbering is the command that gives a Service another number. It does nothing where the Service is another than it
// was.
func renumbering(service types.NamespacedName, request serviceports.Request, number int32) string {
	var patch []string
	for _, p := range request.Ports {
		patch = append(patch, fmt.Sprintf(`{"op":"test","path":"/spec/ports/%d/nodePort","value":%d}`, p.Index, request.NodePort))
	}
	for _, p := range request.Ports {
		patch = append(patch, fmt.Sprintf(`{"op":"replace","path":"/spec/ports/%d/nodePort","value":%d}`, p.Index, number))
	}
	return patchCommand(service, "service", patch)
}

func patchCommand(object types.NamespacedName, kind string, patch []string) string {
	return fmt.Sprintf("kubectl -n %s patch %s %s --type=json -p '[%s]'", object.Namespace, kind, object.Name, strings.Join(patch, ","))
}
