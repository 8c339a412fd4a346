package move

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/cli/term"
)

// say tells of a step, in lines that fit.
func (v *mover) say(format string, args ...any) {
	for _, line := range term.Wrap(fmt.Sprintf(format, args...), v.Screen().Width) {
		fmt.Fprintln(v.Out, line)
	}
}

// command is the verb on the Service, as to be typed from anywhere.
func (v *mover) command(args ...string) string {
	words := append([]string{"kubectl portolan move", v.key.Name, "-n", v.key.Namespace}, args...)
	if name := v.ConfigFlags.Context; name != nil && *name != "" {
		words = append(words, "--context", *name)
	}
	return strings.Join(words, " ")
}

// howItStands says so of a move that has not come to its end, and what to do.
func (v *mover) howItStands() string {
	return fmt.Sprintf("Both %d and %d stay open. To go on: %s. To take all back: %s", v.mark.From, v.mark.To, v.command(), v.command("--undo"))
}

// numbers are those of the Service's entries, each once, ascending.
func numbers(svc *corev1.Service) []int32 {
	var all []int32
	for _, p := range svc.Spec.Ports {
		all = append(all, p.NodePort)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(n int32) bool { return n == 0 })
}

func list(numbers []int32) string {
	var texts []string
	for _, n := range numbers {
		texts = append(texts, fmt.Sprint(n))
	}
	return strings.Join(texts, " and ")
}

// entries are the Service's, as they are to be read: "32101", or "32101 (http), 32153 (dns)".
func entries(svc *corev1.Service) string {
	if all := numbers(svc); len(svc.Spec.Ports) == 1 && len(all) == 1 {
		return fmt.Sprint(all[0])
	}
	var texts []string
	for _, p := range svc.Spec.Ports {
		if p.NodePort != 0 {
			texts = append(texts, fmt.Sprintf("%d (%s)", p.NodePort, p.Name))
		}
	}
	return strings.Join(texts, ", ")
}
