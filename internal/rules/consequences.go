package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Live is what a change of pools meets.
type Live struct {
	// Namespaces are the labels of each by its name.
	Namespaces map[string]map[string]string
	// Services are those that carry numbers.
	Services []*corev1.Service
}

// listed is how many names a list shows at most.
const listed = 5

// Consequences tell who changes pools what comes of it for live Services and for namespaces. They are warnings: a
// change of pools takes no number from anybody.
func Consequences(before, after *Chart, live Live) []string {
	warned, refused := live.worseOff(before, after)
	var warnings []string
	for _, c := range []struct {
		text  string
		names []string
	}{
		{"live Services that would be refused then, were they created now: %d (%s). They keep their numbers", refused},
		{"live Services that would be warned about then, were they created now: %d (%s). They keep their numbers", warned},
		{"namespaces that no pool selects then, so that they may use all numbers that are in no pool: %d (%s)", live.unselected(before, after)},
	} {
		if len(c.names) > 0 {
			warnings = append(warnings, fmt.Sprintf(c.text, len(c.names), list(c.names)))
		}
	}
	return warnings
}

// worseOff are the Services that break rules after the change and did not before, or were only warned about.
func (l Live) worseOff(before, after *Chart) (warned, refused []string) {
	for _, svc := range l.Services {
		q := Question{Service: svc, Namespace: svc.Namespace, NamespaceLabels: l.Namespaces[svc.Namespace]}
		now := verdictOn(LiveBreaches(after, q))
		if now <= verdictOn(LiveBreaches(before, q)) {
			continue
		}
		if name := svc.Namespace + "/" + svc.Name; now == isRefused {
			refused = append(refused, name)
		} else {
			warned = append(warned, name)
		}
	}
	slices.Sort(warned)
	slices.Sort(refused)
	return warned, refused
}

// verdict is what would become of a live Service if it were created now, from good to bad.
type verdict int

const (
	isAdmitted verdict = iota
	isWarned
	isRefused
)

func verdictOn(breaches []Breach) verdict {
	switch {
	case slices.ContainsFunc(breaches, func(b Breach) bool { return b.Enforced }):
		return isRefused
	case len(breaches) > 0:
		return isWarned
	}
	return isAdmitted
}

// unselected are the namespaces that lose their last pool.
func (l Live) unselected(before, after *Chart) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(l.Namespaces)) {
		labels := l.Namespaces[name]
		if !before.PoolsFor(labels)[0].Commons() && after.PoolsFor(labels)[0].Commons() {
			names = append(names, name)
		}
	}
	return names
}

// list is "a, b and 3 more".
func list(names []string) string {
	if len(names) <= listed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:listed], ", "), len(names)-listed)
}
