package explain

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/premises"
	"github.com/portolan-dev/portolan/internal/cli/world"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// Known is what is told to who may not read all that admission decides by.
type Known struct {
	// Usages are those of the Service's namespace.
	Usages []v1alpha1.NodePortUsage
	Ruling premises.Ruling
}

// Asked explains a manifest where not all that admission decides by may be read: it tells what the namespace is told of its
// pools, and the verdict is the API server's own.
func Asked(w *world.World, svc *corev1.Service, known Known) Account {
	ruling := known.Ruling
	t := tellerOf(w, svc, ruling.Old)
	t.told(svc, known.Usages)
	for _, r := range serviceports.Requests(svc) {
		switch {
		case r.NodePort == 0:
			t.step(r.Path().String()+": left out", "it is chosen when the Service is applied")
		case has(ruling.Old, r.NodePort):
			t.step(fmt.Sprintf("%s: %d stays", r.Path(), r.NodePort), "the live Service has it, and what it has is not judged again")
		default:
			t.step(fmt.Sprintf("%s: %d is asked for", r.Path(), r.NodePort), known.place(r.NodePort))
		}
	}
	switch {
	case ruling.Unasked != "":
		t.Answer = unknown(ruling)
	case len(ruling.Errors) > 0:
		t.asked("a dry run with your rights, which changes nothing: it refuses")
		t.Answer = refused(svc, ruling)
	default:
		t.asked("a dry run with your rights, which changes nothing: it admits")
		t.Answer = Answer{Verdict: Admitted, Text: "admitted" + numbersOf(svc, ruling.Service), Warnings: ruling.Warnings}
	}
	return t.Account
}

// LiveAsked is Asked of a live Service. The ruling is about Again of it.
func LiveAsked(w *world.World, svc *corev1.Service, known Known) Account {
	ruling := known.Ruling
	t := &teller{World: w, Account: Account{Subject: subjectOf(svc), Unknown: w.Unknown}}
	t.told(svc, known.Usages)
	for _, r := range serviceports.Requests(svc) {
		t.step(fmt.Sprintf("%s: %d", r.Path(), r.NodePort), known.place(r.NodePort))
	}
	if ruling.Unasked != "" {
		t.Answer = unknown(ruling)
		return t.Account
	}
	t.asked("a dry run with your rights, which changes nothing: whether it would admit the Service were it created now, but for its numbers being in use by itself")
	t.Answer = Answer{Verdict: Conforming, Text: "it keeps to the rules of its namespace", Warnings: ruling.Warnings}
	for _, err := range ruling.Errors {
		switch {
		case strings.Contains(err.Text, inUse):
		case strings.Contains(err.Text, rules.HandsOutNothing):
			t.Answer.Warnings = append(t.Answer.Warnings, notAgain+err.Text)
		default:
			t.Answer.Verdict, t.Answer.Text = Breaking, "it keeps its numbers, and:"
			t.Answer.Errors = append(t.Answer.Errors, "were it created now it would be refused: "+err.Text)
		}
	}
	return t.Account
}

// inUse is what Kubernetes says of a number that any Service has, once Portolan has had nothing against it. Source: ErrAllocated,
// k8s.io/kubernetes/pkg/registry/core/service/portallocator/allocator.go.
const inUse = "provided port is already allocated"

// Again is a live Service as if it were created now, to ask about. Portolan takes it for the one that is there, so it has its
// numbers already; Kubernetes' own allocator, which comes later, does not.
func Again(svc *corev1.Service) *corev1.Service {
	again := svc.DeepCopy()
	again.Spec.ClusterIP, again.Spec.ClusterIPs = "", nil
	return again
}

// told tells what is known of the namespace and its pools.
func (t *teller) told(svc *corev1.Service, usages []v1alpha1.NodePortUsage) {
	t.step(fmt.Sprintf("The namespace is %q", svc.Namespace))
	if len(usages) == 0 {
		t.step("No NodePortUsage tells of a pool of it", "either no pool serves it, or you may not read what it has")
		return
	}
	var lines []string
	for _, u := range usages {
		lines = append(lines, fmt.Sprintf("pool %q: numbers %s", u.Name, strings.ReplaceAll(u.Status.Ranges, ",", ", ")), "  "+usedOf(u))
		if ready := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.UsageReady); ready != nil && ready.Reason != v1alpha1.UsageReasonWithinLimit {
			lines = append(lines, fmt.Sprintf("  it may have no more (%s): %s", ready.Reason, ready.Message))
		}
	}
	t.step(fmt.Sprintf("Its NodePortUsage objects tell of the pools that it has: %d", len(usages)), lines...)
}

func usedOf(u v1alpha1.NodePortUsage) string {
	if u.Status.Limit == nil {
		return fmt.Sprintf("the namespace has %d of it", u.Status.Used)
	}
	return fmt.Sprintf("the namespace has %d of the %d that it may have", u.Status.Used, *u.Status.Limit)
}

// place tells in which pool of the namespace a number is.
func (k Known) place(number int32) string {
	for _, u := range k.Usages {
		for text := range strings.SplitSeq(u.Status.Ranges, ",") {
			if r, err := rules.ParseRange(text); err != nil || number < r.From || number > r.To {
				continue
			}
			if slices.Contains(u.Status.NodePorts, number) {
				return fmt.Sprintf("it is in pool %q, and the namespace has it", u.Name)
			}
			return fmt.Sprintf("it is in pool %q", u.Name)
		}
	}
	return "it is in no pool of which the namespace is told"
}

func (t *teller) asked(line string) { t.step("The API server is asked", line) }

func unknown(ruling premises.Ruling) Answer {
	return Answer{Verdict: NotJudged, Text: "not known: you may not read all that it is decided by, and " + ruling.Unasked +
		": ask somebody who may, or for ClusterRole edit in the namespace"}
}

func refused(svc *corev1.Service, ruling premises.Ruling) Answer {
	a := Answer{Verdict: Refused, Text: "refused:", Warnings: ruling.Warnings}
	for _, err := range ruling.Errors {
		a.Errors = append(a.Errors, err.Text)
		if err.Field != "" {
			a.Text = fmt.Sprintf("refused: The Service %q is invalid:", svc.Name)
		}
	}
	return a
}

// numbersOf are those that a dry run gave. What it chose for those that were left out may be something else the next time.
func numbersOf(before, after *corev1.Service) string {
	numbers := serviceports.Numbers(serviceports.Requests(after))
	if len(numbers) == 0 {
		return ""
	}
	text := " with " + numbersText(numbers)
	if slices.ContainsFunc(serviceports.Requests(before), func(r serviceports.Request) bool { return r.NodePort == 0 }) {
		text += ", as far as a dry run can tell: what is left out is chosen when it is applied"
	}
	return text
}
