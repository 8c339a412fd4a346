package controllers

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

const (
	reasonConflict  = "NodePortConflict"
	reasonMisplaced = "NodePortOutsidePool"
	reasonTooMany   = "TooManyNodePorts"

	// noteLimit is the API server's for the note of an event: a longer one would be refused.
	noteLimit = 1024
)

// trouble is what is wrong with a Service's numbers; without a message nothing is.
type trouble struct {
	reason, message string
	// remedies are how to mend it, each by itself; otherwise is what to do where there is none, or no free number. Their
	// commands name numbers that are free now, so they are in the event alone: each write of a Service wakes all nodes.
	remedies  []remedy
	otherwise string
}

// told says whether the Service's condition says this already.
func (t trouble) told(before *metav1.Condition) bool {
	if before == nil {
		return t.message == ""
	}
	return before.Reason == t.reason && before.Message == t.message
}

func (t trouble) condition(now time.Time) metav1.Condition {
	return metav1.Condition{
		Type:               allocatedCondition,
		Status:             metav1.ConditionFalse,
		Reason:             t.reason,
		Message:            t.message,
		LastTransitionTime: metav1.NewTime(now).Rfc3339Copy(),
	}
}

// note is the text of the event, with as much advice as there is room for: half a command is none.
func (t trouble) note(free freeNumbers) string {
	var advice []string
	for _, command := range commandsOf(t.remedies, free) {
		advice = append(advice, "to give this Service another number: "+command)
	}
	if len(advice) == 0 && t.otherwise != "" {
		advice = append(advice, t.otherwise)
	}
	text := t.message
	for _, advice := range advice {
		if longer := text + "; " + advice; len(longer) <= noteLimit {
			text = longer
		}
	}
	return note(text)
}

// note is as much of a text as an event can have.
func note(text string) string {
	if len(text) > noteLimit {
		return strings.ToValidUTF8(text[:noteLimit-len(" ...")], "") + " ..."
	}
	return text
}

// breachTrouble tells of the rules that a live Service breaks, and how to give it numbers that are free for it. Labels
// are those of its namespace.
func breachTrouble(svc *corev1.Service, labels map[string]string, breaches []rules.Breach) trouble {
	if len(breaches) == 0 {
		return trouble{}
	}
	t := trouble{reason: reasonMisplaced, message: "the Service keeps its number: "}
	if breaches[0].Reason == rules.ReasonTooManyPorts { // it comes last
		t = trouble{reason: reasonTooMany, message: "the Service keeps its numbers: "}
	}
	var errs field.ErrorList
	var numbers []int32
	for _, b := range breaches {
		errs = append(errs, b.Err)
		if number, ok := b.Err.BadValue.(int32); ok && !slices.Contains(numbers, number) {
			numbers = append(numbers, number)
		}
	}
	t.message += errs.ToAggregate().Error()
	t.remedies = remediesFor(nameOf(svc), labels, serviceports.Requests(svc), numbers...)
	return t
}
